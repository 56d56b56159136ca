#include "server/edge/io_thread.h"

#include <boost/asio/post.hpp>
#include <utility>

namespace sluice::server {

IoThread::IoThread(std::chrono::nanoseconds busy_poll)
    : busy_poll_(busy_poll),
      work_(boost::asio::make_work_guard(context_)),
      thread_([this] { Run(); }) {}

IoThread::~IoThread() {
  work_.reset();
  thread_.join();
}

void IoThread::Post(std::function<void()> work) {
  boost::asio::post(context_, [this, work = std::move(work)] {
    work();
    Settle();
  });
}

void IoThread::Defer(std::shared_ptr<Deferred> deferred) {
  if (std::exchange(deferred->deferred_, true)) return;
  deferred_.push_back(std::move(deferred));
}

void IoThread::Settle() {
  while (!deferred_.empty()) {
    const std::shared_ptr<Deferred> next = std::move(deferred_.front());
    deferred_.pop_front();
    next->deferred_ = false;
    next->RunDeferred();
  }
}

void IoThread::Run() {
  using Clock = std::chrono::steady_clock;
  if (busy_poll_.count() == 0) {
    context_.run();
    return;
  }
  while (!context_.stopped()) {
    const Clock::time_point end = Clock::now() + busy_poll_;
    bool busy = false;
    while (!busy && Clock::now() < end) busy = context_.poll() > 0;
    if (!busy) context_.run_one();
  }
}

}  // namespace sluice::server
