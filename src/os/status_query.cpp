// SPDX-License-Identifier: MIT
#include "os/status_query.hpp"

#include "os/control_query.hpp"

namespace baton::os {

Result<std::string> ask_status(FdRef folder, const char* name, Instant deadline) {
  const Result<UniqueFd> connection = connect_for_requests(folder, name, deadline);
  if (!connection) return std::unexpected{connection.error()};
  return read_to_end(connection->ref(), longest_status, deadline);
}

}  // namespace baton::os
