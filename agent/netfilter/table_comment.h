#pragma once

#include <libnftnl/udata.h>

#include <memory>

namespace sluice::agent {

// User data that `nft list` prints as a comment; the attribute types of tables and rules agree on
// the number.
class TableComment final {
 public:
  explicit TableComment(const char* text)
      : buffer_(nftnl_udata_buf_alloc(NFTNL_UDATA_COMMENT_MAXLEN + 2)) {
    static_assert(static_cast<int>(NFTNL_UDATA_RULE_COMMENT) == NFTNL_UDATA_TABLE_COMMENT);
    nftnl_udata_put_strz(buffer_.get(), NFTNL_UDATA_RULE_COMMENT, text);
  }

  void* data() const { return nftnl_udata_buf_data(buffer_.get()); }
  uint32_t size() const { return nftnl_udata_buf_len(buffer_.get()); }

 private:
  struct Free {
    void operator()(nftnl_udata_buf* buffer) const { nftnl_udata_buf_free(buffer); }
  };
  const std::unique_ptr<nftnl_udata_buf, Free> buffer_;
};

}  // namespace sluice::agent
