#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "server/policy/checker/checked_policy.h"
#include "server/policy/checker/lookup.h"
#include "server/policy/language/syntax.h"
#include "server/policy/terms/problems.h"

namespace sluice::server::policy {

// Gives the protocols, ports, types and flags of a policy their meaning. Adds what is wrong to
// `problems`; the terms returned must then not be used. For one check; one thread.
class TransportChecker final {
 public:
  TransportChecker(Lookup* lookup, Problems* problems)  // Neither owned.
      : lookup_(lookup), problems_(problems) {}

  TransportTerm Read(const TransportSyntax& syntax);

 private:
  void Report(const Word& word, std::string message);
  template <typename Find>
  uint32_t Number(const Word& word, uint32_t most, Find find);

  void Protocol(const Word& word, TransportTerm& term);
  void Port(const Word& word, TransportTerm& term);
  void IcmpTypes(const Word& word, TransportTerm& term);
  std::optional<TcpFlags> Flags(const TransportSyntax& syntax);

  Lookup* const lookup_;
  Problems* const problems_;
};

}  // namespace sluice::server::policy
