#pragma once

#include <libmnl/libmnl.h>
#include <libnftnl/udata.h>

#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace sluice::agent {

// User data that `nft list` prints as a comment. Tables and rules use the same type number for it.
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

// The comment in user data, which consists of records of type, length and bytes. "" if there is no
// comment or no user data. Total.
inline std::string CommentIn(const nlattr* user_data) {
  if (user_data == nullptr) return "";
  absl::string_view rest(static_cast<const char*>(mnl_attr_get_payload(user_data)),
                         mnl_attr_get_payload_len(user_data));
  while (rest.size() >= 2) {
    const auto type = static_cast<uint8_t>(rest[0]);
    const size_t length = static_cast<uint8_t>(rest[1]);
    rest.remove_prefix(2);
    if (length > rest.size()) break;
    if (type == NFTNL_UDATA_RULE_COMMENT) {
      const absl::string_view text = rest.substr(0, length);
      return std::string(text.substr(0, text.find('\0')));
    }
    rest.remove_prefix(length);
  }
  return "";
}

}  // namespace sluice::agent
