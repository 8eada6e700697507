#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "hub/blob_assembly.h"
#include "hub/hub_server.h"

namespace bitnet::hub {

/// Gets one segment of a file, or, from a server that ignores ranges, this and all later ones.
class Fetch {
 public:
  struct Events {
    /// The server's answer tells whether it knows ranges. Called when `may_be_serial`, once.
    std::function<void(bool knows_ranges)> on_kind;
    std::function<void(Segment segment)> on_full;
    std::function<Segment(std::int64_t begin)> next_segment;  ///< memory for what follows; up to the file's end
    std::function<void(std::int64_t bytes)> on_bytes;
    std::function<void(const FileSource& source)> on_moved;  ///< the address had expired, and this is the new one
  };

  Fetch(const HubServer& server, const net::RetryPolicy& retry, FileSource source, std::string commit, RepoFile file,
        Events events);

  /// Throws Error as pull() does, for good: what may pass was tried again.
  void run(net::HttpClient& client, Segment segment, bool may_be_serial);

 private:
  void check_head(const net::Response& head);
  void take(const net::Response& head, std::span<const std::byte> bytes);
  void refresh(net::HttpClient& client);
  [[nodiscard]] bool has_all() const { return segment_.full() && (!serial_ || segment_.end == source_.size); }
  [[nodiscard]] std::string name() const;

  const HubServer& server_;
  const net::RetryPolicy& retry_;
  FileSource source_;
  std::string commit_;
  RepoFile file_;
  Events events_;
  Segment segment_;
  bool undecided_ = false;
  bool serial_ = false;
  bool first_bytes_ = true;  // of an answer
  std::int64_t skip_ = 0;    // bytes of an answer that are here already
};

}  // namespace bitnet::hub
