#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <thread>

namespace sluice::server {

// Something with work to do once the present event has been taken in.
class Deferred {
 public:
  virtual ~Deferred() = default;
  virtual void RunDeferred() = 0;

 private:
  friend class IoThread;
  bool deferred_ = false;
};

// A thread that serves connections. What an event brings is taken in first; reactions to it and
// what they send come afterwards, so that one system call sends the answers to all of it.
class IoThread final {
 public:
  // Before it sleeps, the thread polls for events for `busy_poll`.
  explicit IoThread(std::chrono::nanoseconds busy_poll);
  // Runs what was posted, then ends.
  ~IoThread();
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  boost::asio::io_context& context() { return context_; }
  // Whether it is this thread that asks.
  bool Current() const { return thread_.get_id() == std::this_thread::get_id(); }

  // Any thread: has this one run `work`, and then what it deferred.
  void Post(std::function<void()> work);
  // This thread: runs RunDeferred soon, once, however often it is called until then.
  void Defer(std::shared_ptr<Deferred> deferred);
  // This thread, at the end of each event: runs what was deferred, until nothing is.
  void Settle();

 private:
  void Run();

  const std::chrono::nanoseconds busy_poll_;
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::deque<std::shared_ptr<Deferred>> deferred_;  // Of this thread.
  std::thread thread_;
};

}  // namespace sluice::server
