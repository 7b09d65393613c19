// SPDX-License-Identifier: MIT
// baton: dispatch/called_tsap.hpp: connection requests on their way to whoever of this host has bound the TSAP called.
//
//   give() --nobody has bound it, or not for us--> owner.tsap_refused()
//     |
//     v
//   asked --taken--> owner.tsap_took()
//     '--it ended, has no room, or is silent for Limits::answer--> owner.tsap_refused()
//
// Invariant: every visitor comes out once, and later than its give(). Threads: the one of the event loop.
#pragma once

#include <asio/io_context.hpp>
#include <cstddef>
#include <list>
#include <memory>

#include "base/time.hpp"
#include "dispatch/visitor.hpp"

namespace baton::dispatch {

class CalledTsap {
 public:
  class Owner {
   public:
    virtual void tsap_took(VisitorPtr visitor) = 0;
    /// `error`: ECONNREFUSED, there is nobody of that name; EUCLEAN, somebody has used it and not taken it; else why it
    /// was not taken.
    virtual void tsap_refused(VisitorPtr visitor, int error) = 0;

   protected:
    ~Owner() = default;
  };

  CalledTsap(asio::io_context& loop, Owner& owner);
  ~CalledTsap();
  CalledTsap(const CalledTsap&) = delete;
  CalledTsap& operator=(const CalledTsap&) = delete;

  /// One of recognise::IsoRequest. `answer`: how long its server may take to say something.
  void give(VisitorPtr visitor, Duration answer);
  [[nodiscard]] std::size_t under_way() const noexcept { return asked_.size(); }

 private:
  struct Asked;
  using Place = std::list<std::shared_ptr<Asked>>::iterator;

  void watch(Place place);
  void end(Place place, int error);
  void later(VisitorPtr visitor, int error);

  asio::io_context& loop_;
  Owner& owner_;
  std::list<std::shared_ptr<Asked>> asked_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace baton::dispatch
