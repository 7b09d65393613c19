// SPDX-License-Identifier: MIT
#include "os/kernel.hpp"

#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "os/socket.hpp"

namespace baton::os {
namespace {

constexpr const char* variable = "BATON_NO_KERNEL_FEATURES";

bool forced_absent() {
  const char* const value = getenv(variable);
  return value != nullptr && std::string_view{value} == "1";
}

bool can_switch_on(int option) {
  const auto pair = *seqpacket_pair();
  const int on = 1;
  return setsockopt(pair.first.get(), SOL_SOCKET, option, &on, sizeof on) == 0;
}

TEST(KernelFeatures, AreThoseOfTheKernelUnlessForcedAbsent) {
  EXPECT_EQ(kernel_features().sender_pidfd, !forced_absent() && can_switch_on(so_passpidfd));
  EXPECT_EQ(kernel_features().descriptor_refusal, !forced_absent() && can_switch_on(so_passrights));
  EXPECT_EQ(kernel_features().peer_pidfd, kernel_features().sender_pidfd);  // both are of Linux 6.5
}

/// Runs this program's other tests once more, where the variable says that the kernel has nothing new.
TEST(WithoutKernelFeatures, TheOtherTestsOfTheRoomPass) {
  std::string program = "/proc/self/exe";
  std::string filter = "--gtest_filter=KernelFeatures.*:Ancillary.*:LocalSocket.*:AcceptTrap.*";
  std::vector<char*> environment;
  std::string setting = std::string{variable} + "=1";
  environment.push_back(setting.data());
  for (char** each = environ; *each != nullptr; ++each)
    if (!std::string_view{*each}.starts_with(variable) && !std::string_view{*each}.starts_with("GTEST_"))
      environment.push_back(*each);
  environment.push_back(nullptr);
  const std::array<char*, 3> arguments{program.data(), filter.data(), nullptr};
  pid_t child = -1;
  ASSERT_EQ(posix_spawn(&child, program.c_str(), nullptr, nullptr, arguments.data(), environment.data()), 0);
  int status = 1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace baton::os
