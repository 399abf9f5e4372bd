#include "prompt/replay_store.h"

#include "text/clock.h"

#include <blake3.h>
#include <spdlog/spdlog.h>
#include <sqlite3.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <format>
#include <span>
#include <utility>

namespace anyclaude::prompt {

using database::Connection;
using database::Statement;

namespace {

static_assert(std::endian::native == std::endian::little, "the file's numbers are little-endian");

constexpr const char* kFile = "replay.db";
constexpr const char* kSecret = "replay.key";
constexpr int kFormat = 1;                 // of the tables, kept as the file's user_version
constexpr std::size_t kMostWaiting = 4096; // turns; more are given up
constexpr std::size_t kChecksumBytes = 16;
constexpr std::size_t kTurnOverhead = 200; // bytes, of a turn beside its tokens and boundaries

/// A conversation is a first turn and all that goes on from it; it is dropped as a whole.
constexpr const char* kSetUp =
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = NORMAL;"
    "PRAGMA secure_delete = ON;" // what was cleared is not to be found in the file
    "PRAGMA journal_size_limit = 4194304;"
    "CREATE TABLE IF NOT EXISTS conversations ("
    "  id INTEGER PRIMARY KEY, used INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;"
    "CREATE INDEX IF NOT EXISTS conversations_by_use ON conversations (used);"
    "CREATE TABLE IF NOT EXISTS turns ("
    "  key BLOB PRIMARY KEY, parent BLOB, conversation INTEGER NOT NULL, tokens BLOB NOT NULL,"
    "  boundaries BLOB, checksum BLOB NOT NULL) STRICT;"
    "CREATE INDEX IF NOT EXISTS turns_by_conversation ON turns (conversation);"
    "PRAGMA user_version = 1;";

std::span<const std::byte> bytes_of(const ConversationKey& key) {
  return std::as_bytes(std::span(key));
}

std::optional<ConversationKey> key_of(std::span<const std::byte> bytes) {
  ConversationKey key{};
  if (bytes.size() != key.size())
    return std::nullopt;
  std::memcpy(key.data(), bytes.data(), key.size());
  return key;
}

template <class Number>
std::vector<Number> numbers_of(std::span<const std::byte> bytes) {
  std::vector<Number> numbers(bytes.size() / sizeof(Number));
  if (!numbers.empty()) // or there is no address to copy from or to
    std::memcpy(numbers.data(), bytes.data(), numbers.size() * sizeof(Number));
  return numbers;
}

std::string salt_of(const text::Key& secret, const std::string& model) {
  blake3_hasher hasher;
  blake3_hasher_init_derive_key(&hasher, "anyclaude replay salt v1");
  blake3_hasher_update(&hasher, secret.data(), secret.size());
  blake3_hasher_update(&hasher, model.data(), model.size());
  std::string salt(BLAKE3_OUT_LEN, '\0');
  blake3_hasher_finalize(&hasher, reinterpret_cast<std::uint8_t*>(salt.data()), salt.size());
  return salt;
}

std::int64_t format_of(const Connection& connection) {
  Statement asked(connection, "PRAGMA user_version");
  return asked.step() ? asked.integer(0) : -1;
}

} // namespace

struct ReplayStore::Reader {
  explicit Reader(Connection opened)
      : connection(std::move(opened)),
        turn(connection, "SELECT parent, tokens, boundaries, checksum FROM turns WHERE key = ?") {}
  Connection connection;
  Statement turn;
};

struct ReplayStore::Writer {
  explicit Writer(Connection opened)
      : connection(std::move(opened)),
        conversation(connection, "SELECT conversation FROM turns WHERE key = ?"),
        begin(connection, "INSERT INTO conversations (used, bytes) VALUES (?, 0)"),
        grow(connection, "UPDATE conversations SET used = ?, bytes = bytes + ? WHERE id = ?"),
        insert(connection, "INSERT OR REPLACE INTO turns (key, parent, conversation, tokens,"
                           " boundaries, checksum) VALUES (?, ?, ?, ?, ?, ?)"),
        remove(connection, "DELETE FROM turns WHERE key = ?"),
        total(connection, "SELECT coalesce(sum(bytes), 0) FROM conversations"),
        oldest(connection, "SELECT id, bytes FROM conversations ORDER BY used LIMIT 1"),
        forget_turns(connection, "DELETE FROM turns WHERE conversation = ?"),
        forget(connection, "DELETE FROM conversations WHERE id = ?") {}

  /// The conversation of a turn that is there.
  std::optional<std::int64_t> conversation_of(const ConversationKey& key) {
    conversation.bind(bytes_of(key));
    const auto found = conversation.step() ? std::optional(conversation.integer(0)) : std::nullopt;
    conversation.reset();
    return found;
  }

  Connection connection;
  Statement conversation, begin, grow, insert, remove, total, oldest, forget_turns, forget;
};

std::expected<std::unique_ptr<ReplayStore>, std::string>
ReplayStore::open(ReplayStoreOptions options) {
  const auto secret = text::kept_key(options.folder / kSecret);
  if (!secret)
    return std::unexpected(secret.error());
  std::unique_ptr<ReplayStore> store(new ReplayStore(std::move(options), *secret));
  auto connected = store->connect();
  if (!connected && connected.error().is_useless) {
    database::remove_database(store->file_);
    spdlog::warn("{}; it is begun anew, and earlier answers are rendered", connected.error().what);
    store->told_of_damage_ = true;
    connected = store->connect();
  }
  if (!connected)
    return std::unexpected(connected.error().what);
  store->thread_ = std::thread([store = store.get()] { store->run_writer(); });
  return store;
}

ReplayStore::ReplayStore(ReplayStoreOptions options, const text::Key& secret)
    : options_(std::move(options)), file_(options_.folder / kFile), secret_(secret),
      salt_(salt_of(secret, options_.model)) {}

ReplayStore::~ReplayStore() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable())
    thread_.join();
}

std::expected<void, ReplayStore::Fault> ReplayStore::connect() {
  const auto fault = [this](const Connection& connection) {
    return std::unexpected(Fault{file_.native() + ": " + connection.message(),
                                 database::means_damage(connection.error())});
  };
  auto writing = Connection::open(file_);
  if (!writing)
    return std::unexpected(Fault{writing.error()});
  const auto format = format_of(*writing);
  if (format < 0)
    return fault(*writing);
  if (format != 0 && format != kFormat)
    return std::unexpected(Fault{file_.native() + " is of another version", true});
  if (!writing->run(kSetUp))
    return fault(*writing);
  auto reading = Connection::open(file_);
  if (!reading)
    return std::unexpected(Fault{reading.error()});
  writer_ = std::make_unique<Writer>(std::move(*writing));
  const std::scoped_lock lock(reading_);
  reader_ = std::make_unique<Reader>(std::move(*reading));
  return {};
}

/// Over the whole turn and where it stands, with this folder's key: a file that was brought here
/// from elsewhere proves false, too.
std::vector<std::byte> ReplayStore::checksum(const ReplayTurn& turn,
                                             const ConversationKey* parent) const {
  blake3_hasher hasher;
  blake3_hasher_init_keyed(&hasher, secret_.data());
  const auto add = [&hasher](const void* data, std::uint64_t size) {
    blake3_hasher_update(&hasher, &size, sizeof size);
    blake3_hasher_update(&hasher, data, size);
  };
  add(turn.key.data(), turn.key.size());
  add(parent ? parent->data() : nullptr, parent ? parent->size() : 0);
  add(turn.tokens.data(), turn.tokens.size() * sizeof(std::int32_t));
  add(turn.boundaries.data(), turn.boundaries.size() * sizeof(int));
  std::vector<std::byte> digest(kChecksumBytes);
  blake3_hasher_finalize(&hasher, reinterpret_cast<std::uint8_t*>(digest.data()), digest.size());
  return digest;
}

std::optional<ReplayStore::Stored> ReplayStore::read(const ConversationKey& key) {
  int result = SQLITE_OK;
  std::optional<Stored> stored;
  {
    const std::scoped_lock lock(reading_);
    if (!reader_)
      return std::nullopt;
    stored = stored_turn(key);
    result = reader_->turn.result();
    reader_->turn.reset();
  }
  if (stored || result == SQLITE_DONE || result == SQLITE_BUSY)
    return stored;
  const std::scoped_lock lock(mutex_);
  if (result == SQLITE_ROW) // it was there, and was not what had been written
    damaged_.insert(key);
  else if (database::means_damage(result))
    is_broken_ = true;
  report_damage(result == SQLITE_ROW ? "an answer in it is damaged and was dropped"
                                     : sqlite3_errstr(result));
  changed_.notify_all();
  return std::nullopt;
}

/// With the reader's lock held.
std::optional<ReplayStore::Stored> ReplayStore::stored_turn(const ConversationKey& key) {
  Statement& row = reader_->turn;
  row.bind(bytes_of(key));
  if (!row.step())
    return std::nullopt;
  Stored stored;
  stored.parent = key_of(row.bytes(0));
  stored.turn.key = key;
  stored.turn.tokens = numbers_of<std::int32_t>(row.bytes(1));
  stored.turn.boundaries = numbers_of<int>(row.bytes(2));
  const auto written = row.bytes(3);
  if (!std::ranges::equal(checksum(stored.turn, stored.parent ? &*stored.parent : nullptr),
                          written))
    return std::nullopt;
  return stored;
}

/// With the lock held.
void ReplayStore::report_damage(const char* what) {
  if (!std::exchange(told_of_damage_, true))
    spdlog::warn("{}: {}; such answers are rendered as those of other servers are", file_.native(),
                 what);
}

void ReplayStore::write(std::shared_ptr<const ReplayTurn> turn) {
  const std::scoped_lock lock(mutex_);
  const bool waits = off_ && std::chrono::steady_clock::now() < off_until_;
  if (!turn->kept || waits || turns_.size() >= kMostWaiting)
    return;
  turns_.push_back(std::move(turn));
  changed_.notify_all();
}

void ReplayStore::touch(const ConversationKey& key) {
  const std::scoped_lock lock(mutex_);
  if (used_.size() < kMostWaiting)
    used_.insert(key);
  changed_.notify_all();
}

void ReplayStore::flush() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] {
    return !busy_ && turns_.empty() && used_.empty() && damaged_.empty() && !is_broken_;
  });
}

void ReplayStore::run_writer() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] {
      return stopping_ || is_broken_ || !turns_.empty() || !used_.empty() || !damaged_.empty();
    });
    const bool anew = std::exchange(is_broken_, false);
    const auto turns = std::exchange(turns_, {});
    const auto used = std::exchange(used_, {});
    const auto damaged = std::exchange(damaged_, {});
    if (!anew && turns.empty() && used.empty() && damaged.empty())
      return; // it is to stop
    busy_ = true;
    lock.unlock();
    const auto done = anew ? begin_anew() : change(turns, used, damaged);
    if (done)
      worked();
    else
      failed(done.error());
    lock.lock();
    busy_ = false;
    changed_.notify_all();
  }
}

/// One transaction. What was given is given up when it fails: a turn is written with those in front
/// of it, so that nothing is missing once writing works again.
std::expected<void, std::string>
ReplayStore::change(const std::deque<std::shared_ptr<const ReplayTurn>>& turns,
                    const std::set<ConversationKey>& used,
                    const std::set<ConversationKey>& damaged) {
  if (!writer_)
    return begin_anew();
  const auto remove = [this](const ConversationKey& key) {
    return writer_->remove.bind(bytes_of(key)).run();
  };
  const auto touch = [this](const ConversationKey& key) {
    const auto conversation = writer_->conversation_of(key);
    return !conversation ||
           writer_->grow.bind(text::unix_milliseconds()).bind(0).bind(*conversation).run();
  };
  const auto write = [this](const auto& turn) { return insert(*turn); };
  if (writer_->connection.run("BEGIN IMMEDIATE") && std::ranges::all_of(damaged, remove) &&
      std::ranges::all_of(turns, write) && std::ranges::all_of(used, touch) && make_room() &&
      writer_->connection.run("COMMIT"))
    return {};
  const int error = writer_->connection.error(); // rolling back hides it
  std::string what = writer_->connection.message();
  writer_->connection.run("ROLLBACK");
  if (database::means_damage(error)) {
    const std::scoped_lock lock(mutex_);
    is_broken_ = true;
    report_damage(what.c_str());
    return {};
  }
  return std::unexpected(std::move(what));
}

/// With the turns in front of it that are not there.
bool ReplayStore::insert(const ReplayTurn& turn) {
  std::vector<const ReplayTurn*> missing;
  std::optional<std::int64_t> conversation;
  for (const ReplayTurn* each = &turn; each && !conversation; each = each->parent.get()) {
    conversation = writer_->conversation_of(each->key);
    if (!conversation || each == &turn) // the same words, sampled again: the newer tokens count
      missing.push_back(each);
  }
  if (!conversation) {
    if (!writer_->begin.bind(text::unix_milliseconds()).run())
      return false;
    conversation = sqlite3_last_insert_rowid(writer_->connection.handle());
  }
  for (; !missing.empty(); missing.pop_back()) {
    const ReplayTurn& each = *missing.back();
    const ConversationKey* parent = each.parent ? &each.parent->key : nullptr;
    writer_->insert.bind(bytes_of(each.key));
    writer_->insert.bind(parent ? bytes_of(*parent) : std::span<const std::byte>());
    writer_->insert.bind(*conversation)
        .bind(std::as_bytes(std::span(each.tokens)))
        .bind(std::as_bytes(std::span(each.boundaries)))
        .bind(checksum(each, parent));
    if (!writer_->insert.run() ||
        !writer_->grow.bind(text::unix_milliseconds())
             .bind(static_cast<std::int64_t>(kTurnOverhead + each.own_bytes()))
             .bind(*conversation)
             .run())
      return false;
  }
  return true;
}

/// Drops conversations, the one used longest ago first.
bool ReplayStore::make_room() {
  if (!writer_->total.step())
    return false;
  auto bytes = static_cast<std::uint64_t>(writer_->total.integer(0));
  writer_->total.reset();
  while (bytes > options_.bytes) {
    if (!writer_->oldest.step())
      return false;
    const std::int64_t conversation = writer_->oldest.integer(0);
    bytes -= std::min(bytes, static_cast<std::uint64_t>(writer_->oldest.integer(1)));
    writer_->oldest.reset();
    if (!writer_->forget_turns.bind(conversation).run() ||
        !writer_->forget.bind(conversation).run())
      return false;
  }
  return true;
}

/// Nothing of a file that is no database any more can be trusted.
std::expected<void, std::string> ReplayStore::begin_anew() {
  {
    const std::scoped_lock lock(reading_);
    reader_.reset();
  }
  writer_.reset();
  database::remove_database(file_);
  const auto connected = connect();
  if (!connected)
    return std::unexpected(connected.error().what);
  return {};
}

void ReplayStore::failed(const std::string& why) {
  const std::scoped_lock lock(mutex_);
  off_until_ = std::chrono::steady_clock::now() + options_.retry;
  if (!std::exchange(off_, true))
    spdlog::warn("{}: {}; until that has changed, answers are rendered after a restart",
                 file_.native(), why);
}

void ReplayStore::worked() {
  const std::scoped_lock lock(mutex_);
  if (std::exchange(off_, false))
    spdlog::info("{} is written to again", file_.native());
}

std::optional<ReplayTotals> replay_totals(const std::filesystem::path& folder) {
  std::error_code error;
  if (!std::filesystem::exists(folder / kFile, error))
    return std::nullopt;
  const auto connection = Connection::open(folder / kFile);
  if (!connection)
    return std::nullopt;
  Statement totals(*connection, "SELECT count(*), coalesce(sum(bytes), 0),"
                                " (SELECT count(*) FROM turns) FROM conversations");
  if (!totals.step())
    return std::nullopt;
  const auto number = [&totals](int column) {
    return static_cast<std::uint64_t>(totals.integer(column));
  };
  return ReplayTotals{.conversations = number(0), .turns = number(2), .bytes = number(1)};
}

std::expected<ReplayTotals, std::string> clear_replay(const std::filesystem::path& folder) {
  const auto file = folder / kFile;
  std::error_code error;
  if (!std::filesystem::exists(file, error))
    return ReplayTotals{};
  const ReplayTotals totals = replay_totals(folder).value_or(ReplayTotals{});
  auto connection = Connection::open(file);
  if (!connection)
    return std::unexpected(connection.error());
  if (connection->run("PRAGMA secure_delete = ON; BEGIN IMMEDIATE; DELETE FROM turns;"
                      "DELETE FROM conversations; COMMIT; VACUUM;"
                      "PRAGMA wal_checkpoint(TRUNCATE);"))
    return totals;
  if (!database::means_damage(connection->error()))
    return std::unexpected(file.native() + ": " + connection->message());
  connection = std::unexpected(std::string());
  database::remove_database(file); // nobody can use it
  return totals;
}

} // namespace anyclaude::prompt
