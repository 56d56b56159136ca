#include "server/policy/terms/icmp_types.h"

#include <array>
#include <string>

#include "absl/strings/ascii.h"
#include "server/policy/terms/nearest_word.h"

namespace sluice::server::policy {
namespace {

struct NamedType {
  std::string_view name;
  IcmpType type;
};

constexpr int16_t kNone = IcmpType::kNone;

// Numbers as IANA registers them. Each type has its full name and, where there is one, the short
// name of BSD's ip_icmp.h, which people used in screend's days.
constexpr NamedType kTypes[] = {
    {"echo", {8, 128}},
    {"echorequest", {8, 128}},
    {"echoreply", {0, 129}},
    {"unreachable", {3, 1}},
    {"unreach", {3, 1}},
    {"destinationunreachable", {3, 1}},
    {"packettoobig", {kNone, 2}},
    {"toobig", {kNone, 2}},
    {"sourcequench", {4, kNone}},
    {"quench", {4, kNone}},
    {"redirect", {5, 137}},
    {"timeexceeded", {11, 3}},
    {"timxceed", {11, 3}},
    {"timex", {11, 3}},
    {"parameterproblem", {12, 4}},
    {"paramproblem", {12, 4}},
    {"paramprob", {12, 4}},
    {"timestamp", {13, kNone}},
    {"tstamp", {13, kNone}},
    {"timestampreply", {14, kNone}},
    {"tstampreply", {14, kNone}},
    {"informationrequest", {15, kNone}},
    {"inforequest", {15, kNone}},
    {"ireq", {15, kNone}},
    {"informationreply", {16, kNone}},
    {"inforeply", {16, kNone}},
    {"ireqreply", {16, kNone}},
    {"addressmaskrequest", {17, kNone}},
    {"addressmask", {17, kNone}},
    {"maskrequest", {17, kNone}},
    {"maskreq", {17, kNone}},
    {"addressmaskreply", {18, kNone}},
    {"maskreply", {18, kNone}},
    {"routeradvertisement", {9, 134}},
    {"routeradvert", {9, 134}},
    {"routersolicitation", {10, 133}},
    {"routersolicit", {10, 133}},
    {"neighborsolicitation", {kNone, 135}},
    {"neighboursolicitation", {kNone, 135}},
    {"neighboradvertisement", {kNone, 136}},
    {"neighbouradvertisement", {kNone, 136}},
    {"mldquery", {kNone, 130}},
    {"mldreport", {kNone, 131}},
    {"mlddone", {kNone, 132}},
    {"mldv2report", {kNone, 143}},
    {"routerrenumbering", {kNone, 138}},
    {"nodeinformationquery", {kNone, 139}},
    {"nodeinformationresponse", {kNone, 140}},
    {"inverseneighborsolicitation", {kNone, 141}},
    {"inverseneighboradvertisement", {kNone, 142}},
    {"multicastrouteradvertisement", {kNone, 151}},
    {"multicastroutersolicitation", {kNone, 152}},
    {"multicastroutertermination", {kNone, 153}},
    {"extendedechorequest", {42, 160}},
    {"extendedechoreply", {43, 161}},
};

std::string Plain(std::string_view name) {
  std::string plain;
  for (const char c : name) {
    if (c != '-' && c != '_') plain += absl::ascii_tolower(static_cast<unsigned char>(c));
  }
  return plain;
}

}  // namespace

std::optional<IcmpType> FindIcmpType(std::string_view name) {
  const std::string plain = Plain(name);
  for (const NamedType& named : kTypes) {
    if (named.name == plain) return named.type;
  }
  return std::nullopt;
}

std::string_view NearestIcmpType(std::string_view name) {
  std::array<std::string_view, std::size(kTypes) + 2> names = {"infotype", "any"};
  for (size_t i = 0; i < std::size(kTypes); ++i) names[i + 2] = kTypes[i].name;
  return NearestWord(Plain(name), names);
}

}  // namespace sluice::server::policy
