#include "hub/downloader.h"

#include <algorithm>
#include <csignal>
#include <thread>
#include <utility>

#include "base/fail.h"
#include "base/quote_name.h"
#include "base/stopwatch.h"
#include "hub/fetch.h"

namespace bitnet::hub {
namespace {

constexpr std::chrono::milliseconds kSlice{50};

/// Threads of this room leave signals to the threads of the program, which know what to do.
void block_signals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace

bool sleep_unless(const std::function<bool()>& stop, std::chrono::milliseconds time) {
  for (; time.count() > 0 && !stop(); time -= std::min(time, kSlice))
    std::this_thread::sleep_for(std::min(time, kSlice));
  return !stop();
}

Downloader::Downloader(const HubOptions& options, const Plumbing& plumbing, const HubServer& server, const Cache& cache,
                       std::string commit)
    : options_(options), plumbing_(plumbing), server_(server), cache_(cache), commit_(std::move(commit)) {
  plumbing_.http.stop = [this] { return stop_.load(); };
  if (!plumbing_.retry.sleep) {
    plumbing_.retry.sleep = [this](std::chrono::milliseconds time) { return sleep_unless(plumbing_.http.stop, time); };
  }
}

std::vector<RepoFile> Downloader::run(std::span<const RepoFile> files) {
  for (const RepoFile& file : files) {
    tasks_.emplace_back().file = file;
    total_ += file.size.value_or(0);
  }
  std::vector<std::thread> threads;
  try {
    for (int i = 0; i < options_.connections; ++i) threads.emplace_back([this] { work(); });
    report();
  } catch (...) {
    stop_with(std::current_exception());
  }
  for (std::thread& thread : threads) thread.join();
  if (error_) std::rethrow_exception(error_);
  std::vector<RepoFile> there;
  for (const Task& task : tasks_) there.push_back({task.file.name, task.source.size, task.source.etag});
  return there;
}

/// Tells the caller how far it is, until all is done.
void Downloader::report() {
  const auto is_done = [](const Task& task) { return task.state == State::done; };
  std::unique_lock lock(mutex_);
  for (bool more = true; more;) {
    more = !stop_ && !std::all_of(tasks_.begin(), tasks_.end(), is_done);
    if (more) changed_.wait_for(lock, 2 * kSlice);
    const std::vector<std::string> messages = std::exchange(messages_, {});
    lock.unlock();
    for (const std::string& message : messages) {
      if (options_.log) options_.log(message);
    }
    if (options_.on_progress && !options_.on_progress({bytes_, total_})) fail(ErrorKind::cancelled, "stopped");
    lock.lock();
  }
}

void Downloader::work() {
  block_signals();
  try {
    net::HttpClient client(plumbing_.http);
    std::int64_t segment_bytes = plumbing_.smallest_segment;
    while (std::optional<Job> job = take(segment_bytes)) {
      if (!job->segment) {
        open(*job->task, client);
        continue;
      }
      const auto length = static_cast<double>(job->segment->end - job->segment->begin);
      const Stopwatch watch;
      fetch(std::move(*job), client);
      // About a second's worth: little is lost when all stops, and little is waited for between requests.
      segment_bytes = std::clamp(static_cast<std::int64_t>(length / std::max(watch.seconds(), 1e-3)),
                                 plumbing_.smallest_segment, plumbing_.largest_segment);
    }
  } catch (...) {
    stop_with(std::current_exception());
  }
}

void Downloader::fetch(Job job, net::HttpClient& client) {
  Task& task = *job.task;
  Fetch::Events events;
  events.on_kind = [&](bool knows_ranges) { set_state(task, knows_ranges ? State::parallel : State::serial); };
  events.on_full = [&](Segment segment) { deliver(task, std::move(segment)); };
  events.next_segment = [&](std::int64_t begin) {
    const std::lock_guard lock(mutex_);
    return new_segment(begin, std::min(begin + plumbing_.largest_segment, task.source.size));
  };
  events.on_bytes = [&](std::int64_t bytes) { bytes_ += bytes; };
  events.on_moved = [&](const FileSource& source) {
    const std::lock_guard lock(mutex_);
    task.source = source;
  };
  Fetch fetch(server_, plumbing_.retry, std::move(job.source), commit_, task.file, std::move(events));
  fetch.run(client, std::move(*job.segment), job.probes);
}

/// What to do next; none at the end. Pieces of files that were begun come first: a worker that waits for another
/// process' lock must not keep back what others wait for.
std::optional<Downloader::Job> Downloader::take(std::int64_t segment_bytes) {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (stop_) return std::nullopt;
    bool all_done = true;
    for (Task& task : tasks_) {
      all_done = all_done && task.state == State::done;
      const bool has_piece =
          task.state == State::opened || (task.state == State::parallel && task.next < task.source.size);
      if (!has_piece || segments_ >= plumbing_.window) continue;
      const bool probes = task.state == State::opened;
      if (probes) task.state = State::probing;
      const std::int64_t begin = task.next;
      task.next = std::min(begin + segment_bytes, task.source.size);
      return Job{&task, task.source, new_segment(begin, task.next), probes};
    }
    if (all_done) return std::nullopt;
    for (Task& task : tasks_) {
      if (task.state != State::waiting) continue;
      task.state = State::opening;
      return Job{&task, {}, std::nullopt, false};
    }
    changed_.wait(lock);
  }
}

/// With mutex_ held.
Segment Downloader::new_segment(std::int64_t begin, std::int64_t end) {
  ++segments_;
  if (spare_.empty()) {
    const auto bytes = static_cast<std::size_t>(plumbing_.largest_segment);
    return {begin, end, 0, std::make_unique_for_overwrite<std::byte[]>(bytes)};
  }
  Segment segment{begin, end, 0, std::move(spare_.back())};
  spare_.pop_back();
  return segment;
}

void Downloader::open(Task& task, net::HttpClient& client) {
  task.source = server_.locate(client, plumbing_.retry, commit_, task.file);
  const std::string& etag = task.source.etag;
  const std::int64_t size = task.source.size;
  if (!task.file.size) total_ += size;
  if (!cache_.has_blob(etag, size)) await_lock(task);
  if (cache_.has_blob(etag, size)) {  // perhaps since another process had the lock
    bytes_ += size;
    set_state(task, State::done);
    return;
  }
  task.assembly = std::make_unique<BlobAssembly>(cache_.open_incomplete(etag), etag, size, [this](auto data) {
    const std::lock_guard lock(mutex_);
    spare_.push_back(std::move(data));
    --segments_;
    changed_.notify_all();
  });
  task.next = task.assembly->resumed();
  bytes_ += task.next;
  if (const std::int64_t free = cache_.free_bytes(); free < size - task.next) {
    fail(ErrorKind::io, "the file {} needs {} more bytes and the disk of {} has {}", quote_name(task.file.name),
         size - task.next, options_.cache.string(), free);
  }
  if (task.next == size) {
    complete(task);
  } else {
    set_state(task, State::opened);
  }
}

void Downloader::await_lock(Task& task) {
  for (bool said = false;;) {
    if (std::optional<UniqueFd> lock = cache_.try_lock(task.source.etag)) {
      task.lock = std::move(*lock);
      return;
    }
    if (!std::exchange(said, true)) {
      log(fmt::format("another process is downloading {}; waiting for it", quote_name(task.file.name)));
    }
    if (!sleep_unless(plumbing_.http.stop, kSlice)) fail(ErrorKind::cancelled, "stopped");
  }
}

void Downloader::deliver(Task& task, Segment segment) {
  if (task.assembly->deliver(std::move(segment))) complete(task);
}

/// All bytes of the file are there: it gets its name, if they are the right ones.
void Downloader::complete(Task& task) {
  const std::string& etag = task.source.etag;
  if (task.assembly->finish()) {
    cache_.publish(etag);
    task.assembly.reset();
    task.lock = UniqueFd();
    set_state(task, State::done);
    return;
  }
  if (std::exchange(task.repeated, true)) {
    cache_.remove_incomplete(etag);
    fail(ErrorKind::corrupt, "{}: the content that {} sends for {} does not have the checksum {}, twice",
         options_.endpoint, task.source.elsewhere ? "another host" : "the server", quote_name(task.file.name), etag);
  }
  log(fmt::format("{} does not have its checksum; downloading it once more", quote_name(task.file.name)));
  task.assembly->restart();
  bytes_ -= task.source.size;
  const std::lock_guard lock(mutex_);
  task.next = 0;
  task.state = State::opened;
  changed_.notify_all();
}

void Downloader::set_state(Task& task, State state) {
  const std::lock_guard lock(mutex_);
  task.state = state;
  changed_.notify_all();
}

void Downloader::stop_with(std::exception_ptr error) {
  const std::lock_guard lock(mutex_);
  if (!error_) error_ = std::move(error);  // those that come later come of it
  stop_ = true;
  changed_.notify_all();
}

void Downloader::log(std::string message) {
  const std::lock_guard lock(mutex_);
  messages_.push_back(std::move(message));
}

}  // namespace bitnet::hub
