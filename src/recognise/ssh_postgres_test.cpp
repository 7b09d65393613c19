// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "recognise/pattern.hpp"
#include "recognise/postgres.hpp"
#include "recognise/samples_for_tests.hpp"
#include "recognise/ssh.hpp"

namespace baton::recognise {
namespace {

Ssh ssh(std::string_view text) {
  EXPECT_EQ(broken_law(as_bytes(text), recognise_ssh), "");
  return std::get<Ssh>(recognise_ssh(as_bytes(text)));
}

// RFC 4253 §4.2
TEST(RecogniseSsh, ReadsTheIdentificationString) {
  const Ssh usual = ssh("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\nmore");
  EXPECT_EQ(usual.version, "2.0");
  EXPECT_EQ(usual.software, "OpenSSH_9.2p1");
  EXPECT_EQ(usual.fault, "");
  EXPECT_EQ(ssh("SSH-1.99-x-y\n").software, "x-y");
}

TEST(RecogniseSsh, FindsFaultsAndAllElse) {
  for (const char* text : {"SSH-2.0\r\n", "SSH--x\r\n", "SSH-2.0-\r\n", "SSH-2.0-a\tb\r\n"})
    EXPECT_NE(ssh(text).fault, "") << text;
  EXPECT_NE(ssh("SSH-2.0-" + std::string(300, 'x')).fault, "");
  EXPECT_EQ(ssh("SSH-2.0-" + std::string(245, 'x') + "\r\n").fault, "");  // 255 in all
  EXPECT_TRUE(std::holds_alternative<Not>(recognise_ssh(as_bytes("SSL"))));
}

Verdict<Postgres> ask(Bytes octets) { return recognise_postgres(octets); }
Postgres postgres(std::string_view octets) {
  EXPECT_EQ(broken_law(as_bytes(octets), ask), "");
  return std::get<Postgres>(recognise_postgres(as_bytes(octets)));
}
constexpr std::uint32_t version_3 = 3 << 16;
constexpr std::string_view startup{"user\0alice\0database\0sales\0application_name\0psql\0\0", 49};

TEST(RecognisePostgres, ReadsUserAndDatabase) {
  const Postgres usual = postgres(postgres_packet(version_3, startup) + "more");
  EXPECT_EQ(usual.kind, Postgres::Kind::Startup);
  EXPECT_EQ(usual.user, "alice");
  EXPECT_EQ(usual.database, "sales");
  EXPECT_FALSE(usual.replication);
  const Postgres alone = postgres(postgres_packet(version_3 + 2, {"user\0bob\0replication\0database\0\0", 31}));
  EXPECT_EQ(alone.database, "bob");
  EXPECT_EQ(alone.minor, 2);
  EXPECT_TRUE(alone.replication);
}

TEST(RecognisePostgres, ReadsRequests) {
  EXPECT_EQ(postgres(postgres_packet(80877103, "")).kind, Postgres::Kind::TlsRequest);
  EXPECT_EQ(postgres(postgres_packet(80877104, "")).kind, Postgres::Kind::GssRequest);
  const Postgres cancel = postgres(postgres_packet(80877102, number(4711, 4) + number(1, 4)));
  EXPECT_EQ(cancel.kind, Postgres::Kind::CancelRequest);
  EXPECT_EQ(cancel.process, 4711U);
}

TEST(RecognisePostgres, FindsFaultsAndAllElse) {
  for (const std::string_view rest : {std::string_view{"user\0alice\0", 11}, std::string_view{"user\0alice\0\0x", 13},
                                      std::string_view{"database\0x\0\0", 12}, std::string_view{"user\0alice", 10}})
    EXPECT_NE(postgres(postgres_packet(version_3, rest)).fault, "");
  EXPECT_NE(std::get<Postgres>(recognise_postgres(as_bytes(number(5000, 4) + number(version_3, 4)), 1024)).fault, "");
  for (const std::string& octets :
       {number(8, 4) + number(version_3, 4), number(10001, 4) + number(version_3, 4),
        number(9, 4) + number(80877103, 4), number(16, 4) + number(2 << 16, 4), std::string{"\x01"}})
    EXPECT_TRUE(std::holds_alternative<Not>(ask(as_bytes(octets))));
}

TEST(RecognisePattern, ComparesTheBitsThatCount) {
  const Pattern mqtt{"mqtt",
                     {std::byte{0x10}, std::byte{0}, std::byte{0}, std::byte{'M'}},
                     {std::byte{0xF0}, std::byte{0}, std::byte{0}, std::byte{0xFF}}};
  const auto asked = [&mqtt](Bytes octets) { return recognise_pattern(octets, mqtt); };
  for (const std::string_view octets : {"\x1f\x55\xaaM", "\x10\x01\x01Mmore"}) {
    EXPECT_EQ(broken_law(as_bytes(octets), asked), "");
    EXPECT_EQ(std::get<PatternMatch>(asked(as_bytes(octets))).name, "mqtt");
  }
  EXPECT_EQ(std::get<NeedMore>(asked(as_bytes("\x10"))).at_least, 4U);
  EXPECT_TRUE(std::holds_alternative<Not>(asked(as_bytes("\x20"))));
  EXPECT_TRUE(std::holds_alternative<Not>(asked(as_bytes("\x10\x01\x01N"))));
}

}  // namespace
}  // namespace baton::recognise
