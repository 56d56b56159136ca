#include "server/edge/ledger.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace sluice::server {
namespace {

const char* Words(EdgeCause cause) {
  switch (cause) {
    case EdgeCause::kConnections:
      return "a connection was refused: there are too many";
    case EdgeCause::kHandshake:
      return "a connection was ended: its TLS handshake failed";
    case EdgeCause::kTooSlow:
      return "a connection or call was ended: it is too slow";
    case EdgeCause::kProtocol:
      return "a connection was ended: what it sends is against HTTP, or says nothing too often";
    case EdgeCause::kHead:
      return "a request was refused: its head is too large";
    case EdgeCause::kMessage:
      return "a call was ended: its message is too large, compressed or malformed";
    case EdgeCause::kBudget:
      return "a call was ended: too much is kept for this address already";
  }
  return "";
}

}  // namespace

void Ledger::Log(EdgeCause cause, const std::string& peer) {
  const std::optional<std::string> more = lines_.Allow(std::chrono::steady_clock::now());
  if (more) spdlog::warn("{}: {}; further ones are only counted{}", peer, Words(cause), *more);
}

void Ledger::CountRefused(const std::string& peer) {
  ++refused_[static_cast<size_t>(EdgeCause::kConnections)];
  Log(EdgeCause::kConnections, peer);
}

void Ledger::Peer::Count(EdgeCause cause) {
  const auto index = static_cast<size_t>(cause);
  ++ledger_->refused_[index];
  const uint32_t bit = 1u << index;
  if ((logged_.fetch_or(bit) & bit) == 0) ledger_->Log(cause, key_);
}

std::shared_ptr<Ledger::Peer> Ledger::Enter(const std::string& peer, Time now) {
  MutexLock lock(mutex_);
  if (peers_.size() >= prune_at_) Prune();
  std::shared_ptr<Peer>& entry = peers_[peer];
  if (entry == nullptr) entry = std::make_shared<Peer>(this, peer);
  if (connections_ >= limits_.connections || entry->connections_ >= limits_.connections_a_peer ||
      !entry->Connects(now)) {
    return nullptr;
  }
  ++connections_;
  ++entry->connections_;
  return entry;
}

void Ledger::Prune() {
  for (auto peer = peers_.begin(); peer != peers_.end();) {
    const auto here = peer++;
    if (here->second->connections_ == 0) peers_.erase(here);
  }
  prune_at_ = std::max(kRemembered, 2 * peers_.size());
}

Ledger::Peer::Peer(Ledger* ledger, std::string key)
    : ledger_(ledger),
      key_(std::move(key)),
      begun_(ledger->limits_.calls_a_second, ledger->limits_.calls_at_once),
      opened_(ledger->limits_.connections_a_second,
              static_cast<uint32_t>(ledger->limits_.connections_a_peer)) {}

bool Ledger::Peer::Connects(Time now) {
  MutexLock lock(mutex_);
  return opened_.Take(now);
}

bool Ledger::Peer::Calls(Time now) {
  MutexLock lock(mutex_);
  return begun_.Take(now);
}

void Ledger::Peer::Leave() {
  --connections_;
  --ledger_->connections_;
}

bool Ledger::Peer::Full() const {
  return held_[static_cast<size_t>(Held::kUnread)].load() >= ledger_->limits_.held_a_peer;
}

bool Ledger::Peer::Hold(Held kind, size_t bytes, size_t own) {
  std::atomic<size_t>& held = held_[static_cast<size_t>(kind)];
  if (held.fetch_add(bytes) - own >= ledger_->limits_.held_a_peer) {
    held.fetch_sub(bytes);
    return false;
  }
  if (ledger_->held_.fetch_add(bytes) - own >= ledger_->limits_.held) {
    Release(kind, bytes);
    return false;
  }
  return true;
}

void Ledger::Peer::Release(Held kind, size_t bytes) {
  held_[static_cast<size_t>(kind)].fetch_sub(bytes);
  ledger_->held_.fetch_sub(bytes);
}

}  // namespace sluice::server
