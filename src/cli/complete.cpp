// SPDX-License-Identifier: MIT
#include "cli/complete.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ostream>
#include <string_view>
#include <vector>

#include "cli/batond.hpp"
#include "cli/batond_tables.hpp"
#include "cli/status_processes.hpp"

namespace baton::cli {
namespace {

// Nobody waits longer for a candidate.
constexpr std::chrono::seconds patience{1};

class Completion {
 public:
  Completion(const CLI::App& app, std::ostream& out) : verb_{&app}, out_{out} {}

  void pass(const std::string& word) {
    if (awaiting_ != nullptr) {
      if (awaiting_->check_lname("control")) control_ = word;
      awaiting_ = nullptr;
    } else if (runs_program_) {
      in_program_ = true;
    } else if (word == "--") {
      runs_program_ = positional(places_) != nullptr && positional(places_)->get_name() == "PROGRAM";
    } else if (word.starts_with('-')) {
      awaiting_ = valued(word);
    } else if (const CLI::App* sub = places_ == 0 ? named(word) : nullptr) {
      if (sub->get_name() == "help")
        helps_ = true;
      else
        verb_ = sub;
    } else {
      ++places_;
    }
  }

  void finish(const std::string& word) {
    begins_ = word;
    if (awaiting_ != nullptr) return values_of(*awaiting_);
    if (runs_program_) return shell(in_program_ ? ":file" : ":command");
    if (word.starts_with('-')) return helps_ ? candidate("--help") : options();
    if (places_ == 0)
      for (const CLI::App* each : subcommands()) candidate(each->get_name());
    if (helps_) return;
    if (const CLI::Option* option = positional(places_)) values_of(*option);
  }

 private:
  [[nodiscard]] std::vector<const CLI::App*> subcommands() const {
    return verb_->get_subcommands([](const CLI::App*) { return true; });
  }
  [[nodiscard]] const CLI::App* named(const std::string& word) const {
    const auto all = subcommands();
    const auto found = std::ranges::find_if(all, [&](const CLI::App* each) { return each->check_name(word); });
    return found == all.end() ? nullptr : *found;
  }
  /// The option of that name, if a value follows it.
  [[nodiscard]] const CLI::Option* valued(const std::string& word) const {
    const auto all = verb_->get_options([&](const CLI::Option* each) { return each->check_name(word); });
    return !all.empty() && all.front()->get_items_expected_max() > 0 ? all.front() : nullptr;
  }
  /// The argument without a name at this place; the last one may be several.
  [[nodiscard]] const CLI::Option* positional(std::size_t place) const {
    const auto all = verb_->get_options([](const CLI::Option* each) { return each->get_positional(); });
    if (place < all.size()) return all[place];
    return nullptr;
  }

  void candidate(const std::string& text) const {
    if (text.starts_with(begins_)) out_ << text << '\n';
  }
  void shell(const char* knows) const { out_ << knows << '\n'; }

  void options() const {
    for (const CLI::Option* each : verb_->get_options())
      for (const std::string& name : each->get_lnames()) candidate("--" + name);
  }

  void values_of(const CLI::Option& option) {
    const std::string name = option.get_positional() ? option.get_name() : option.get_name(false, true);
    if (name == "FILE" || name == "CONFIG" || name == "--svg" || name == "--control") return shell(":file");
    if (name == "POOL") return names_of_batond(false);
    if (name == "POOL|WORKER") return names_of_batond(true);
    if (name == "PID") return processes();
  }

  void processes() const {
    ask_processes(0, [this](const Status& status) { candidate(std::to_string(status.pid)); }, [](std::int64_t, int) {});
  }

  void names_of_batond(bool workers_too) const {
    auto batond = Batond::find(control_);
    if (!batond) return;
    const auto answer = batond->ask({{"do", "workers"}}, patience);
    if (!answer) return;
    for (const auto& pool : list_in(*answer, "pools")) candidate(cell_in(pool, "name"));
    if (!workers_too) return;
    for (const auto& [pool, worker] : workers_in(*answer)) candidate(cell_in(worker, "id"));
  }

  const CLI::App* verb_;
  std::ostream& out_;
  const CLI::Option* awaiting_ = nullptr;  // its value comes next
  std::size_t places_ = 0;                 // arguments without a name that were passed
  bool helps_ = false;                     // behind `help`: verbs only
  bool runs_program_ = false;              // behind -- of `serve` and `exec`
  bool in_program_ = false;                // behind the program's name
  std::string begins_;
  std::string control_;
};

}  // namespace

void complete(const CLI::App& app, std::span<const std::string> words, std::ostream& out) {
  Completion completion{app, out};
  if (words.empty()) return completion.finish("");
  for (const std::string& word : words.first(words.size() - 1)) completion.pass(word);
  completion.finish(words.back());
}

}  // namespace baton::cli
