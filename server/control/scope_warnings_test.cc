#include "server/control/scope_warnings.h"

#include <gtest/gtest.h>

#include <string>

#include "server/policy/checker/fake_names.h"

namespace sluice::server {
namespace {

constexpr char kPolicy[] =
    "from any to any tcp port 80 accept for connection;\n"
    "from any to any tcp port 81 accept for connection;\n"
    "from any to any tcp port 23 reject from source for 60s;\n"
    "from any to any tcp port 24 reject;\n"
    "default reject;\n";

void Join(Registry& registry, const std::string& gateway,
          std::initializer_list<v1::Scope> scopes = {}) {
  v1::DecideHello hello;
  hello.mutable_agent()->set_gateway(gateway);
  for (const v1::Scope scope : scopes) hello.mutable_capabilities()->add_scopes(scope);
  ASSERT_TRUE(registry.JoinDecide(hello, "", {}).ok());
}

std::vector<std::string> Warnings(const Registry& registry) {
  const RuleSet::Compiled compiled = RuleSet::Compile(kPolicy);
  std::vector<std::string> texts;
  for (const auto& warning : ScopeWarnings(*compiled.rules, registry)) {
    texts.push_back(std::to_string(warning.line()) + ": " + warning.message());
  }
  return texts;
}

using Texts = std::vector<std::string>;

TEST(ScopeWarningsTest, NameTheGatewaysThatCannotRemember) {
  Registry registry;
  EXPECT_EQ(Warnings(registry), Texts{});
  Join(registry, "gw1", {v1::SCOPE_CONNECTION, v1::SCOPE_PEER, v1::SCOPE_SOURCE});
  EXPECT_EQ(Warnings(registry), Texts{});
  Join(registry, "gw7", {v1::SCOPE_CONNECTION});
  EXPECT_EQ(Warnings(registry),
            Texts{"3: gw7's agent cannot remember sources: every packet will be asked about"});
  Join(registry, "gw8");
  EXPECT_EQ(Warnings(registry),
            (Texts{"1: gw8's agent cannot remember connections: every packet will be asked about",
                   "3: the agents of gw7 and gw8 cannot remember sources: every packet will be "
                   "asked about"}));
  Join(registry, "gw9");
  EXPECT_EQ(Warnings(registry)[1],
            "3: the agents of gw7, gw8 and gw9 cannot remember sources: every packet will be "
            "asked about");
  for (const char* gateway : {"h1", "h2"}) Join(registry, gateway);
  EXPECT_EQ(Warnings(registry)[1],
            "3: the agents of gw7, gw8, gw9 and 2 other gateways cannot remember sources: every "
            "packet will be asked about");
}

TEST(ScopeWarningsTest, NameTheIncludedFile) {
  v1::PolicyText policy;
  policy.set_text("include \"web\";\n");
  v1::PolicyFile& file = *policy.add_files();
  file.set_name("web");
  file.set_text("\nfrom any to any tcp port 80 accept for connection;\n");
  Registry registry;
  Join(registry, "gw1");
  policy::FakeNames names;
  const auto warnings = ScopeWarnings(*RuleSet::Compile(policy, names).rules, registry);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0].file(), "web");
  EXPECT_EQ(warnings[0].line(), 2u);
}

}  // namespace
}  // namespace sluice::server
