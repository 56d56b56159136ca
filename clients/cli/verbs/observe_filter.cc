#include "clients/cli/verbs/observe_filter.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include "clients/cli/format/addresses.h"
#include "clients/cli/format/words.h"
#include "clients/cli/verb/verb.h"

namespace sluice::cli {
namespace {

// A check for whole numbers from `least` to `most`.
CLI::Validator Number(uint64_t least, uint64_t most) {
  return CLI::Validator(
      [least, most](std::string& text) {
        uint64_t number;
        if (absl::SimpleAtoi(text, &number) && number >= least && number <= most) {
          return std::string();
        }
        return absl::StrCat("'", text, "' is not a number from ", least, " to ", most);
      },
      "");
}

void AddPort(CLI::App& verb, const std::string& name, const std::string& what,
             std::optional<uint16_t>* port) {
  verb.add_option_function<uint16_t>(
          name, [port](const uint16_t& number) { *port = number; }, what)
      ->type_name("PORT")
      ->check(Number(0, 65535));
}

v1::Family FamilyOf(const v1::Prefix& prefix) {
  return prefix.address().size() == 4 ? v1::FAMILY_IPV4 : v1::FAMILY_IPV6;
}

// Puts one address option into the filter. `family` becomes its family, unless it is set already;
// it is an error if the two differ.
absl::Status SetPrefix(const char* name, const std::string& text, v1::Family* family,
                       v1::Prefix* prefix) {
  absl::StatusOr<v1::Prefix> parsed = ParsePrefix(text);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": ", parsed.status().message()));
  }
  const v1::Family own = FamilyOf(*parsed);
  if (*family != v1::FAMILY_UNSPECIFIED && *family != own) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": '", text, "' is of the other address family than the rest of the ",
                     "filter: nothing could ever match"));
  }
  *family = own;
  *prefix = *std::move(parsed);
  return absl::OkStatus();
}

}  // namespace

void AddFilterOptions(CLI::App& verb, FilterOptions* options) {
  verb.add_option("-g,--gateway", options->gateways, "Of these gateways")
      ->type_name("GATEWAY")
      ->delimiter(',')
      ->transform(AsUtf8())
      ->allow_extra_args(false);
  CLI::Option* const ipv4 = verb.add_flag("-4,--ipv4", options->ipv4, "IPv4 only");
  verb.add_flag("-6,--ipv6", options->ipv6, "IPv6 only")->excludes(ipv4)->option_text(" ");
  ipv4->option_text(" ");
  verb.add_option("-p,--proto", options->protocols,
                  "Of these protocols: tcp, udp, icmp, icmpv6 … or numbers")
      ->type_name("PROTO")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Validator(
          [](std::string& text) {
            return ParseProtocol(text)
                       ? std::string()
                       : NotOneOf(text, ProtocolWords()) + ", nor a number from 0 to 255";
          },
          ""));
  verb.add_option("--src", options->source, "From this address or network")->type_name("CIDR");
  verb.add_option("--dst", options->destination, "To this address or network")->type_name("CIDR");
  verb.add_option("--addr", options->address, "From or to it")->type_name("CIDR");
  AddPort(verb, "--sport", "From this port", &options->source_port);
  AddPort(verb, "--dport", "To this port", &options->destination_port);
  AddPort(verb, "--port", "From or to it", &options->port);
}

void AddExtentOptions(CLI::App& verb, const std::string& otherwise, ExtentOptions* options) {
  verb.add_option_function<uint32_t>(
          "-n,--last", [options](const uint32_t& last) { options->last = last; },
          "First the last N of the past (" + otherwise + ")")
      ->type_name("N")
      ->check(Number(0, UINT32_MAX));
  verb.add_flag("-f,--follow", options->follow, "Then each new one, until ^C");
  verb.add_option("-c,--count", options->count, "Stop after N")
      ->type_name("N")
      ->check(Number(1, UINT32_MAX));
}

absl::StatusOr<v1::ObserveFilter> BuildFilter(const FilterOptions& options) {
  v1::ObserveFilter filter;
  for (const std::string& gateway : options.gateways) filter.add_gateways(gateway);
  for (const std::string& protocol : options.protocols) {
    filter.add_protocols(ParseProtocol(protocol).value_or(0));
  }
  v1::Family family = options.ipv4   ? v1::FAMILY_IPV4
                      : options.ipv6 ? v1::FAMILY_IPV6
                                     : v1::FAMILY_UNSPECIFIED;
  filter.set_family(family);
  absl::Status status;
  if (!options.source.empty()) {
    status.Update(SetPrefix("--src", options.source, &family, filter.mutable_source()));
  }
  if (!options.destination.empty()) {
    status.Update(SetPrefix("--dst", options.destination, &family, filter.mutable_destination()));
  }
  if (!options.address.empty()) {
    status.Update(SetPrefix("--addr", options.address, &family, filter.mutable_address()));
  }
  if (!status.ok()) return status;
  if (options.source_port) filter.set_source_port(*options.source_port);
  if (options.destination_port) filter.set_destination_port(*options.destination_port);
  if (options.port) filter.set_port(*options.port);
  return filter;
}

}  // namespace sluice::cli
