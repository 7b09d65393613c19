// SPDX-License-Identifier: MIT
// A hostile listener: blobs that are none, and frames of groups out of turn.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>

#include "group_calls.hpp"
#include "hostile.hpp"

namespace baton::system_tests {
namespace {

using handoff::TakeOutcome;

constexpr std::uint8_t taken_type = 5;
constexpr std::uint8_t held_type = 9;
constexpr std::uint8_t abort_type = 11;
constexpr int all_seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;

UniqueFd memory(std::size_t size, int seals) {
  UniqueFd made{adopt, ::memfd_create("blob", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  EXPECT_EQ(::ftruncate(made.get(), static_cast<off_t>(size)), 0);
  EXPECT_TRUE(seals == 0 || ::fcntl(made.get(), F_ADD_SEALS, seals) == 0);
  return made;
}

class HostileGroup : public Hostile {
 protected:
  void SetUp() override {
    Hostile::SetUp();
    peer_.emplace(folder_.path(), "S");
    link_ = accept_from(*peer_);
    EXPECT_EQ(server_->call([link = link_] { return soc_credit(link, 16); }).value, 16);
  }
  void TearDown() override {
    close_in(*server_, {link_});
    peer_.reset();
    Hostile::TearDown();
  }
  [[nodiscard]] std::vector<std::byte> call(std::span<const handoff::CallItem> items, handoff::MoveId group = 0) {
    std::vector<std::byte> room(handoff::call_size(items.size()));
    room.resize(handoff::encode_call(room, ++move_, true, items, {}, 0, {group, {}}).size());
    return room;
  }
  template <class Frame>
  void send(handoff::MoveId group, Frame frame) {
    std::array<std::byte, handoff::small_frame> room;
    EXPECT_TRUE(peer_->send(handoff::encode(room, group, frame)));
  }
  Told take(int timeout_ms) {
    return server_->call([link = link_, timeout_ms] { return take_one(link, timeout_ms); }).value;
  }
  Reply<int> ready(int timeout_ms) {
    return server_->call([link = link_, timeout_ms] { return soc_ready(link, timeout_ms); });
  }
  /// A held end point, as an honest listener would bring it.
  void hold(const Connection& one) {
    const handoff::CallItem item = described(one.client.get());
    EXPECT_TRUE(peer_->send(call({&item, 1}, move_ + 1), one.client.get()));
  }

  std::optional<RawPeer> peer_;
  int link_ = -1;
  std::uint64_t move_ = 100;
};

TEST_F(HostileGroup, ABlobThatIsNoSealedMemoryOfItsSizeIsRefused) {
  constexpr std::uint32_t size = 70'000;
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd writing{adopt, ends[1]};
  std::vector<std::pair<const char*, UniqueFd>> wrong;
  wrong.emplace_back("a pipe", UniqueFd{adopt, ends[0]});
  wrong.emplace_back("a file", UniqueFd{adopt, ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)});
  wrong.emplace_back("not sealed", memory(size, 0));
  wrong.emplace_back("may be written", memory(size, F_SEAL_SHRINK | F_SEAL_GROW));
  wrong.emplace_back("may shrink", memory(size, F_SEAL_WRITE | F_SEAL_GROW));
  wrong.emplace_back("smaller", memory(size - 1, all_seals));
  wrong.emplace_back("larger", memory(size + 1, all_seals));
  for (const auto& [what, file] : wrong) {
    SCOPED_TRACE(what);
    const Connection one = connect_client();
    handoff::CallItem item = described(one.client.get());
    item.blob = size;
    item.blob_apart = true;
    EXPECT_TRUE(peer_->send_with(call({&item, 1}), std::array{one.client.get(), file.get()}));
    EXPECT_EQ(take(20'000).value, 0);
    EXPECT_EQ(outcome_in(peer_->receive_frame(taken_type)), TakeOutcome::WrongBlob);
    close_in(*listener_, {one.number});
  }
}

TEST_F(HostileGroup, ACallWithTooFewOrTooManyDescriptorsBesideItsBlobIsRefused) {
  const UniqueFd blob = memory(70'000, all_seals);
  for (const bool many : {false, true}) {
    const Connection one = connect_client();
    handoff::CallItem item = described(one.client.get());
    item.blob = 70'000;
    item.blob_apart = true;
    std::vector<int> descriptors{one.client.get()};
    if (many) descriptors.insert(descriptors.end(), 2, blob.get());
    EXPECT_TRUE(peer_->send_with(call({&item, 1}), descriptors));
    EXPECT_EQ(take(0).value, 0);
    EXPECT_EQ(outcome_in(peer_->receive_frame(taken_type)), TakeOutcome::NoDescriptor);
    close_in(*listener_, {one.number});
  }
}

TEST_F(HostileGroup, AGroupOfWhichOneIsNotWhatItSaysIsRefusedWhole) {
  const Connection one = connect_client();
  const Connection other = connect_client();
  std::array items{described(one.client.get()), described(other.client.get())};
  ++items[1].image.cookie;
  const handoff::MoveId group = move_ + 1;
  EXPECT_TRUE(peer_->send_with(call(items, group), std::array{one.client.get(), other.client.get()}));
  const Told first = take(20'000);
  EXPECT_EQ(first.flags, SOC_HELD);
  const Told second = take(20'000);
  EXPECT_EQ(second.value, -1);
  EXPECT_EQ(second.error, ECANCELED);
  EXPECT_EQ(outcome_in(peer_->receive_frame(taken_type)), TakeOutcome::WrongCookie);
  EXPECT_EQ(move_in(peer_->receive_frame(abort_type)), group);
  // What comes for it now is dropped, with its descriptors, and means nothing.
  EXPECT_TRUE(peer_->send(call({items.data(), 1}, group), one.client.get()));
  send(group, handoff::Complete{3});
  send(group, handoff::Commit{3});
  EXPECT_EQ(take(0).value, 0);
  close_in(*server_, {first.number});
  close_in(*listener_, {one.number, other.number});
}

TEST_F(HostileGroup, AGroupThatCountsOtherwiseIsRefused) {
  const Connection one = connect_client();
  hold(one);
  const handoff::MoveId group = move_;
  const Told first = take(20'000);
  EXPECT_EQ(first.flags, SOC_HELD);
  send(group, handoff::Complete{2});
  EXPECT_EQ(take(20'000).error, ECANCELED);
  EXPECT_EQ(move_in(peer_->receive_frame(abort_type)), group);
  close_in(*server_, {first.number});
  close_in(*listener_, {one.number});
}

TEST_F(HostileGroup, ACommitBeforeTheServerIsReadyEndsTheLinkAndGivesNothing) {
  const Connection one = connect_client();
  hold(one);
  const handoff::MoveId group = move_;
  send(group, handoff::Complete{1});
  const Told first = take(20'000);
  EXPECT_EQ(first.flags, SOC_HELD);
  EXPECT_EQ(take(20'000).flags, SOC_GROUP_END);
  send(group, handoff::Commit{1});
  EXPECT_EQ(ready(20'000).error, ECANCELED);
  EXPECT_EQ(take(0).value, -1);
  close_in(*server_, {first.number});
  close_in(*listener_, {one.number});
}

TEST_F(HostileGroup, AnEndPointThatWasTouchedBeforeTheCommitIsNotTaken) {
  const Connection one = connect_client();
  hold(one);
  const handoff::MoveId group = move_;
  send(group, handoff::Complete{1});
  const Told first = take(20'000);
  EXPECT_EQ(take(20'000).flags, SOC_GROUP_END);
  EXPECT_EQ(ready(0).error, EWOULDBLOCK);
  EXPECT_EQ(move_in(peer_->receive_frame(held_type)), group);
  ASSERT_EQ(::write(one.client.get(), "x", 1), 1);
  send(group, handoff::Commit{1});
  EXPECT_EQ(ready(20'000).value, 0);
  EXPECT_EQ(outcome_in(peer_->receive_frame(taken_type)), TakeOutcome::Touched);
  close_in(*server_, {first.number});
  close_in(*listener_, {one.number});
}

TEST_F(HostileGroup, OfItsEndTheProgramHearsBeforeTheNextOneBegins) {
  for (const bool complete : {false, true}) {
    SCOPED_TRACE(complete);
    const Connection one = connect_client();
    const Connection other = connect_client();
    hold(one);
    const handoff::MoveId group = move_;
    if (complete) send(group, handoff::Complete{1});
    const Told first = take(20'000);
    EXPECT_EQ(first.flags, SOC_HELD);
    if (complete) {
      EXPECT_EQ(take(20'000).flags, SOC_GROUP_END);
    }
    send(group, handoff::Abort{});
    hold(other);
    EXPECT_EQ(complete ? ready(20'000).error : take(20'000).error, ECANCELED);
    // Nothing was said of the one that has just begun.
    for (pollfd entry{peer_->number(), POLLIN, 0}; ::poll(&entry, 1, 0) == 1;)
      EXPECT_NE(handoff::type_of(peer_->receive()), held_type);
    const Told second = take(20'000);
    EXPECT_EQ(second.flags, SOC_HELD);
    send(move_, handoff::Abort{});
    EXPECT_EQ(take(20'000).error, ECANCELED);
    close_in(*server_, {first.number, second.number});
    close_in(*listener_, {one.number, other.number});
  }
}

}  // namespace
}  // namespace baton::system_tests
