// SPDX-License-Identifier: MIT
#include "link/admission.hpp"

#include <cstdlib>

#include "os/runtime_fixture.hpp"

namespace baton::link {
namespace {

using os::test::as_user;
using os::test::neighbour;
using os::test::stranger;

class Admission : public os::test::RuntimeTest {
 protected:
  static void list(const char* uids) { ASSERT_EQ(::setenv("BATON_ALLOW_UIDS", uids, 1), 0); }
};

TEST_F(Admission, ByDefaultTheSameUserAndRoot) {
  EXPECT_TRUE(admitted(0));
  EXPECT_FALSE(admitted(stranger));
  EXPECT_TRUE(as_user(stranger, [] {
    EXPECT_TRUE(admitted(0));
    EXPECT_TRUE(admitted(stranger));
    EXPECT_FALSE(admitted(neighbour));
  }));
  EXPECT_EQ(listening_mode(), 0600U);
}

TEST_F(Admission, AListWidensItForEverybody) {
  list("7,65534");
  EXPECT_TRUE(admitted(7));
  EXPECT_TRUE(admitted(stranger));
  EXPECT_FALSE(admitted(neighbour));
  EXPECT_TRUE(as_user(neighbour, [] { EXPECT_TRUE(admitted(stranger)); }));
  EXPECT_EQ(listening_mode(), 0666U);
}

TEST_F(Admission, AListTakesBlanksAndNamesOfPasswd) {
  for (const char* users : {" 1, 65534 ", "daemon, nobody", "nobody", "\t65534,", "nobdy,,nobody"}) {
    list(users);
    EXPECT_TRUE(admitted(stranger)) << users;
    EXPECT_FALSE(admitted(neighbour)) << users;
    EXPECT_EQ(listening_mode(), 0666U) << users;
  }
}

TEST_F(Admission, AnEntryThatIsNoUserAdmitsNobodyAndIsTold) {
  for (const char* users : {"nobdy", "65534x", "6 5534", "0xfffe", "-1", "4294967295", "4294967296", "+65534"}) {
    list(users);
    EXPECT_FALSE(admitted(stranger)) << users;
    EXPECT_FALSE(admitted(static_cast<uid_t>(-1))) << users;
    EXPECT_EQ(listening_mode(), 0600U) << users;
    EXPECT_EQ(unknown_users(), "'" + std::string{users} + "'");
  }
  for (const char* users : {"", ",", " , "}) {
    list(users);
    EXPECT_FALSE(admitted(stranger)) << users;
    EXPECT_EQ(listening_mode(), 0600U) << users;
    EXPECT_EQ(unknown_users(), "");
  }
  list("nobdy, 1 ,1x,nobody");
  EXPECT_EQ(unknown_users(), "'nobdy', '1x'");
  ::unsetenv("BATON_ALLOW_UIDS");
  EXPECT_EQ(unknown_users(), "");
}

}  // namespace
}  // namespace baton::link
