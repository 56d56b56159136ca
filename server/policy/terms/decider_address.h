#pragma once

#include <string_view>

namespace sluice::server::policy {

// Whether `text` has the form of a decider's address: IPV4:PORT, [IPV6]:PORT (with a zone,
// [IPV6%ZONE]:PORT), NAME:PORT or unix:/PATH. A name is not looked up here but when it is dialled.
bool IsDeciderAddress(std::string_view text);

}  // namespace sluice::server::policy
