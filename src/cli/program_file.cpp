// SPDX-License-Identifier: MIT
#include "cli/program_file.hpp"

#include <elf.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <ranges>
#include <string>
#include <vector>

namespace baton::cli {
namespace {

constexpr int deepest = 4;  // interpreters of interpreters

// This program's own: a library goes with programs of its class and machine.
#if UINTPTR_MAX > 0xffffffff
constexpr unsigned char own_class = ELFCLASS64;
using Header = Elf64_Ehdr;
using Segment = Elf64_Phdr;
#else
constexpr unsigned char own_class = ELFCLASS32;
using Header = Elf32_Ehdr;
using Segment = Elf32_Phdr;
#endif

/// A part of a file; nothing where it is not there whole.
template <class T>
std::optional<std::vector<T>> read_part(std::ifstream& file, std::uint64_t at, std::size_t count) {
  constexpr std::size_t most = std::size_t{1} << 20;
  if (count == 0 || count > most / sizeof(T)) return std::nullopt;
  std::vector<T> part(count);
  file.clear();
  file.seekg(static_cast<std::streamoff>(at));
  file.read(reinterpret_cast<char*>(part.data()), static_cast<std::streamsize>(count * sizeof(T)));
  if (!file) return std::nullopt;
  return part;
}

/// Among the notes is one that the Go toolchain puts into what it links.
bool has_go_note(const std::vector<char>& notes) {
  constexpr std::string_view name{"Go\0\0", 4};
  return std::string_view{notes.data(), notes.size()}.find(name) != std::string_view::npos;
}

std::optional<Obstacle> elf_obstacle(std::ifstream& file) {
  const auto header = read_part<Header>(file, 0, 1);
  std::ifstream own{"/proc/self/exe", std::ios::binary};
  const auto mine = read_part<Header>(own, 0, 1);
  if (!header || !mine || (*header)[0].e_ident[EI_CLASS] != own_class || (*header)[0].e_machine != (*mine)[0].e_machine)
    return Obstacle{"it is made for another machine than this baton", false};
  const auto segments = read_part<Segment>(file, (*header)[0].e_phoff, (*header)[0].e_phnum);
  if (!segments || std::ranges::none_of(*segments, [](const Segment& each) { return each.p_type == PT_INTERP; }))
    return Obstacle{"it is linked statically, so no library can stand before its calls"};
  for (const Segment& each : *segments) {
    if (each.p_type != PT_NOTE) continue;
    const auto notes = read_part<char>(file, each.p_offset, each.p_filesz);
    if (notes && has_go_note(*notes)) return Obstacle{"it is a Go program, which makes its system calls without libc"};
  }
  return std::nullopt;
}

/// Of "#! /usr/bin/env python3": what is run in the end.
std::optional<std::string> interpreter_of(std::ifstream& file) {
  std::string line;
  file.clear();
  file.seekg(2);
  std::getline(file, line);
  std::vector<std::string> words;
  for (const auto part : std::views::split(line, ' '))
    if (!part.empty()) words.emplace_back(part.begin(), part.end());
  if (words.empty()) return std::nullopt;
  const bool by_env = words.size() > 1 && words[0].ends_with("/env") && !words[1].starts_with('-');
  const auto found = find_program(by_env ? words[1] : words[0]);
  return found ? std::optional{*found} : std::nullopt;
}

std::optional<Obstacle> obstacle(const std::string& path, int depth) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  std::ifstream file{path, std::ios::binary};
  const auto start = read_part<char>(file, 0, 2);
  if (start && (*start)[0] == '#' && (*start)[1] == '!') {
    const auto interpreter = interpreter_of(file);
    return interpreter && depth < deepest ? obstacle(*interpreter, depth + 1) : std::nullopt;
  }
  const bool raises = ((status.st_mode & S_ISUID) != 0 && status.st_uid != ::geteuid()) ||
                      ((status.st_mode & S_ISGID) != 0 && status.st_gid != ::getegid()) ||
                      (::geteuid() != 0 && ::getxattr(path.c_str(), "security.capability", nullptr, 0) > 0);
  if (raises)
    return Obstacle{"it is set-user-ID, set-group-ID or has file capabilities: the system then ignores LD_PRELOAD",
                    false};
  const auto magic = read_part<char>(file, 0, SELFMAG);
  if (!magic || std::memcmp(magic->data(), ELFMAG, SELFMAG) != 0) return std::nullopt;  // a script for sh
  return elf_obstacle(file);
}

}  // namespace

std::expected<std::string, NoProgram> find_program(std::string_view name) {
  const std::string wanted{name};
  std::vector<std::string> candidates;
  if (wanted.find('/') != std::string::npos) {
    candidates.push_back(wanted);
  } else if (!wanted.empty()) {
    const char* const path = std::getenv("PATH");
    for (const auto folder : std::views::split(std::string_view{path != nullptr ? path : "/bin:/usr/bin"}, ':'))
      candidates.push_back((folder.empty() ? "." : std::string{folder.begin(), folder.end()}) + "/" + wanted);
  }
  std::string found;
  for (const std::string& each : candidates) {
    struct stat status{};
    if (::stat(each.c_str(), &status) != 0) continue;
    if (S_ISREG(status.st_mode) && ::access(each.c_str(), X_OK) == 0) return each;
    if (found.empty()) found = each;
  }
  if (!found.empty())
    return std::unexpected{NoProgram{found + " is no file that you may execute", ExitStatus::CannotExecute}};
  return std::unexpected{NoProgram{"there is no program '" + wanted + "'", ExitStatus::NoProgram}};
}

std::optional<Obstacle> preload_obstacle(const std::string& path) { return obstacle(path, 0); }

}  // namespace baton::cli
