// SPDX-License-Identifier: MIT
// baton: dispatch/toml_section.hpp: one table of a TOML document, read key by key, with all that is wrong in it.
//
// Every read names its key; finish() reports the keys that nobody has read. A value that is wrong is reported and left
// out, so that the rest is read as well. Paths are those of routing/findings.hpp.
// Threads: one Document belongs to one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "base/time.hpp"
#include "dispatch/configuration.hpp"
#include "routing/findings.hpp"

namespace baton::dispatch {

/// Where the values of a document stand, and what is wrong with them.
class Document {
 public:
  void stands(const std::string& path, const toml::source_region& region);
  void error(std::string path, std::string what, std::string advice);
  /// Findings of others as well, but those that follow from ours, in the order of their lines.
  [[nodiscard]] std::vector<LocatedFinding> located(std::vector<routing::Finding> others) const;

 private:
  /// Of the value itself, or the nearest that holds it.
  [[nodiscard]] Position position_of(std::string_view path) const;

  std::map<std::string, Position, std::less<>> positions_;
  std::vector<routing::Finding> findings_;
};

/// A value that is text, and its path.
struct TextValue {
  std::string path;
  std::string text;
};

class Section {
 public:
  Section(Document& document, const toml::table& table, std::string path);

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] Document& document() const noexcept { return *document_; }
  [[nodiscard]] bool has(std::string_view key) const { return table_->contains(key); }

  void read(std::string_view key, std::string& into);
  void read(std::string_view key, bool& into);
  /// "500ms", "10s", "2m", "1h".
  void read(std::string_view key, Duration& into);
  /// `least` to `most`.
  template <class Number>
  void read(std::string_view key, Number& into, std::int64_t least, std::int64_t most) {
    if (const auto number = number_at(key, least, most)) into = static_cast<Number>(*number);
  }
  /// Text, or an array of text.
  [[nodiscard]] std::vector<TextValue> texts(std::string_view key);
  /// Each text of `key`, through `parse`, which gives an optional. `what` is said of one that it does not understand.
  template <class Value, class Parse>
  void read_list(std::string_view key, std::vector<Value>& into, Parse parse, std::string_view what,
                 std::string_view advice) {
    for (TextValue& each : texts(key)) {
      if (auto value = parse(each.text))
        into.push_back(std::move(*value));
      else
        document_->error(std::move(each.path), '"' + each.text + "\" " + std::string{what}, std::string{advice});
    }
  }
  /// One of `words`; its index.
  [[nodiscard]] std::optional<std::size_t> word(std::string_view key, std::span<const std::string_view> words);
  /// The same for a list of them.
  [[nodiscard]] std::vector<std::size_t> words(std::string_view key, std::span<const std::string_view> words);
  /// The node at `key`, noted; null where there is none.
  [[nodiscard]] const toml::node* node(std::string_view key);
  /// The tables in this table, in the order of the document: [pool.a], [pool.b].
  [[nodiscard]] std::vector<std::pair<std::string, Section>> sections(std::string_view key);

  /// Every key that nobody has read is unknown.
  void finish();

 private:
  [[nodiscard]] std::string at(std::string_view key) const {
    return path_.empty() ? std::string{key} : path_ + '.' + std::string{key};
  }
  [[nodiscard]] std::optional<std::int64_t> number_at(std::string_view key, std::int64_t least, std::int64_t most);
  [[nodiscard]] std::optional<std::size_t> index_of(const TextValue& value, std::span<const std::string_view> words);

  Document* document_;
  const toml::table* table_;
  std::string path_;
  std::vector<std::string_view> known_;  // keys that somebody reads: literals
};

}  // namespace baton::dispatch
