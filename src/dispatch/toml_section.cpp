// SPDX-License-Identifier: MIT
#include "dispatch/toml_section.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "routing/suggestion.hpp"

namespace baton::dispatch {
namespace {

Position position(const toml::source_position& at) noexcept { return {at.line, at.column}; }

std::string joined(std::span<const std::string_view> words) {
  std::string text;
  for (const std::string_view each : words) text += (text.empty() ? "" : ", ") + std::string{each};
  return text;
}

/// "500ms": a whole number and its unit.
std::optional<Duration> parse_time(std::string_view text) {
  using namespace std::chrono_literals;
  constexpr std::pair<std::string_view, Duration> units[] = {{"ms", 1ms}, {"s", 1s}, {"m", 1min}, {"h", 1h}};
  constexpr std::int64_t most = 1000000;
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc{} || count < 0 || count > most) return std::nullopt;
  const std::string_view unit{end, text.data() + text.size()};
  for (const auto& [name, length] : units)
    if (unit == name) return count * length;
  return std::nullopt;
}

}  // namespace

void Document::stands(const std::string& path, const toml::source_region& region) {
  positions_.try_emplace(path, position(region.begin));
}

void Document::error(std::string path, std::string what, std::string advice) {
  findings_.push_back({routing::Severity::Error, std::move(path), std::move(what), std::move(advice)});
}

Position Document::position_of(std::string_view path) const {
  while (!path.empty()) {
    if (const auto found = positions_.find(path); found != positions_.end()) return found->second;
    const std::size_t end = path.find_last_of(".[");
    path = path.substr(0, end == std::string_view::npos ? 0 : end);
  }
  return {1, 1};
}

std::vector<LocatedFinding> Document::located(std::vector<routing::Finding> others) const {
  std::vector<LocatedFinding> all;
  for (const routing::Finding& each : findings_) all.push_back({position_of(each.path), each});
  for (routing::Finding& each : others) {
    // What follows from a value that could not be read is no news.
    const bool follows =
        std::ranges::any_of(findings_, [&](const routing::Finding& own) { return own.path.starts_with(each.path); });
    if (follows || (!findings_.empty() && each.severity == routing::Severity::Warning)) continue;
    const Position at = position_of(each.path);
    all.push_back({at, std::move(each)});
  }
  std::ranges::stable_sort(all, {}, &LocatedFinding::position);
  return all;
}

Section::Section(Document& document, const toml::table& table, std::string path)
    : document_{&document}, table_{&table}, path_{std::move(path)} {
  document_->stands(path_, table.source());
}

const toml::node* Section::node(std::string_view key) {
  known_.push_back(key);
  const toml::node* found = table_->get(key);
  if (found != nullptr) document_->stands(at(key), found->source());
  return found;
}

void Section::read(std::string_view key, std::string& into) {
  const toml::node* found = node(key);
  if (found == nullptr) return;
  if (const auto text = found->value_exact<std::string>())
    into = *text;
  else
    document_->error(at(key), "it is not text", "write it in quotation marks");
}

void Section::read(std::string_view key, bool& into) {
  const toml::node* found = node(key);
  if (found == nullptr) return;
  if (const auto value = found->value_exact<bool>())
    into = *value;
  else
    document_->error(at(key), "it is neither true nor false", "write true or false, without quotation marks");
}

void Section::read(std::string_view key, Duration& into) {
  const toml::node* found = node(key);
  if (found == nullptr) return;
  const auto text = found->value_exact<std::string>();
  const auto time = text ? parse_time(*text) : std::nullopt;
  if (time)
    into = *time;
  else
    document_->error(at(key), "it is no time", "write a whole number and ms, s, m or h, such as \"500ms\"");
}

std::optional<std::int64_t> Section::number_at(std::string_view key, std::int64_t least, std::int64_t most) {
  const toml::node* found = node(key);
  if (found == nullptr) return std::nullopt;
  const auto value = found->value_exact<std::int64_t>();
  if (value && *value >= least && *value <= most) return value;
  document_->error(at(key), value ? std::to_string(*value) + " is out of range" : "it is no whole number",
                   "give a number from " + std::to_string(least) + " to " + std::to_string(most));
  return std::nullopt;
}

std::vector<TextValue> Section::texts(std::string_view key) {
  const toml::node* found = node(key);
  std::vector<TextValue> values;
  if (found == nullptr) return values;
  if (const auto text = found->value_exact<std::string>()) {
    values.push_back({at(key), *text});
    return values;
  }
  const toml::array* list = found->as_array();
  if (list == nullptr) {
    document_->error(at(key), "it is neither text nor a list of it", "write \"...\" or [\"...\", \"...\"]");
    return values;
  }
  if (list->empty()) document_->error(at(key), "the list is empty", "name at least one, or leave it out");
  for (std::size_t i = 0; i < list->size(); ++i) {
    std::string path = at(key) + '[' + std::to_string(i) + ']';
    document_->stands(path, (*list)[i].source());
    if (const auto text = (*list)[i].value_exact<std::string>())
      values.push_back({std::move(path), *text});
    else
      document_->error(std::move(path), "it is not text", "write it in quotation marks");
  }
  return values;
}

std::optional<std::size_t> Section::index_of(const TextValue& value, std::span<const std::string_view> words) {
  const auto found = std::ranges::find(words, std::string_view{value.text});
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  document_->error(value.path, '"' + value.text + "\" is no " + value.path.substr(value.path.find_last_of('.') + 1),
                   routing::suggestion(value.text, words, "give one of " + joined(words)));
  return std::nullopt;
}

std::optional<std::size_t> Section::word(std::string_view key, std::span<const std::string_view> words) {
  const toml::node* found = node(key);
  if (found == nullptr) return std::nullopt;
  if (const auto text = found->value_exact<std::string>()) return index_of({at(key), *text}, words);
  document_->error(at(key), "it is not text", "give one of " + joined(words));
  return std::nullopt;
}

std::vector<std::size_t> Section::words(std::string_view key, std::span<const std::string_view> words) {
  std::vector<std::size_t> indices;
  for (const TextValue& each : texts(key))
    if (const auto index = index_of(each, words)) indices.push_back(*index);
  return indices;
}

std::vector<std::pair<std::string, Section>> Section::sections(std::string_view key) {
  std::vector<std::pair<std::string, Section>> all;
  const toml::node* found = node(key);
  if (found == nullptr) return all;
  const toml::table* table = found->as_table();
  if (table == nullptr) {
    document_->error(at(key), "it is no table", "write [" + std::string{key} + ".NAME]");
    return all;
  }
  std::vector<std::pair<std::string, const toml::table*>> tables;
  for (const auto& [name, value] : *table) {
    const std::string text{name.str()};
    const std::string path = at(key) + '.' + text;
    document_->stands(path, value.source());
    if (const toml::table* each = value.as_table())
      tables.emplace_back(text, each);
    else
      document_->error(path, "it is no table", "write [" + std::string{key} + ".NAME], and this below it");
  }
  const auto start = [](const auto& each) { return position(each.second->source().begin); };
  std::ranges::stable_sort(tables, {}, start);
  for (const auto& [name, each] : tables) all.emplace_back(name, Section{*document_, *each, at(key) + '.' + name});
  return all;
}

void Section::finish() {
  for (const auto& [key, value] : *table_) {
    const std::string_view name = key.str();
    if (std::ranges::find(known_, name) != known_.end()) continue;
    document_->stands(at(name), key.source());
    document_->error(at(name), "there is no such setting here",
                     routing::suggestion(name, known_, "there are " + joined(known_)));
  }
}

}  // namespace baton::dispatch
