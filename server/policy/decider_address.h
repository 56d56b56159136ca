#pragma once

#include <string_view>

namespace sluice::server::policy {

// Whether a decider can be reached there: IPV4:PORT, [IPV6]:PORT (with a zone, [IPV6%ZONE]:PORT),
// NAME:PORT or unix:/PATH. Only the form is looked at; the name is looked up when it is dialled.
bool IsDeciderAddress(std::string_view text);

}  // namespace sluice::server::policy
