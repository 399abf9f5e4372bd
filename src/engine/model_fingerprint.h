#pragma once

#include <filesystem>
#include <string>

namespace anyclaude::engine {

/// Tells model files apart, so that what was measured or computed with one is not taken for
/// another's: a name of 32 hexadecimal digits, fit for a file name. Made from the file's metadata,
/// size, time of change and place on disk rather than from all of its gigabytes; a file that cannot
/// be read has the fingerprint of nothing. Thread-safe.
std::string model_fingerprint(const std::filesystem::path& path);

/// A hash of all of a model file's bytes, 64 hexadecimal digits; the same wherever the file lies.
/// Reads all of it, so the hash is kept in `folder`, which is made if need be, under the file's
/// model_fingerprint(). Empty when the file cannot be read. Thread-safe.
std::string model_content_hash(const std::filesystem::path& path,
                               const std::filesystem::path& folder);

} // namespace anyclaude::engine
