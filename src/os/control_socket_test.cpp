// SPDX-License-Identifier: MIT
#include "os/control_socket.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace baton::os {
namespace {

class ControlSocket : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(::mkdtemp(folder_.data()), nullptr); }
  void TearDown() override {
    (void)::unlink(path_of("control").c_str());
    (void)::rmdir(folder_.c_str());
  }
  [[nodiscard]] std::string path_of(const std::string& name) const { return folder_ + "/" + name; }
  [[nodiscard]] RequestPlace place_of(const std::string& path) const {
    auto place = request_place(path);
    return place ? std::move(*place) : RequestPlace{};
  }
  [[nodiscard]] bool is_there() const { return ::access(path_of("control").c_str(), F_OK) == 0; }

  std::string folder_ = "/tmp/control-socket-XXXXXX";
};

TEST_F(ControlSocket, IsLeftOverOnceNobodyListens) {
  const RequestPlace place = place_of(path_of("control"));
  auto listening = listen_for_requests(place);
  ASSERT_TRUE(listening);
  UniqueFd twin{adopt, ::dup(listening->get())};
  listening->reset();
  remove_left_over(place);
  EXPECT_TRUE(is_there()) << "another descriptor of it is open";
  twin.reset();
  remove_left_over(place);
  EXPECT_FALSE(is_there());
  remove_left_over(place);
  EXPECT_TRUE(listen_for_requests(place));
}

TEST_F(ControlSocket, IsNotRemovedWhereItIsNone) {
  std::ofstream{path_of("control")} << "text";
  remove_left_over(place_of(path_of("control")));
  EXPECT_TRUE(is_there());
}

TEST_F(ControlSocket, IsAtOnePlaceByAllItsNames) {
  const RequestPlace place = place_of(path_of("control"));
  EXPECT_TRUE(is_same_place(place, place_of(folder_ + "/.//control")));
  EXPECT_FALSE(is_same_place(place, place_of(path_of("other"))));
  EXPECT_FALSE(is_same_place(place, place_of("/tmp/control")));
  EXPECT_FALSE(is_same_place(RequestPlace{}, RequestPlace{}));
  EXPECT_FALSE(request_place(path_of("none/control")));
}

}  // namespace
}  // namespace baton::os
