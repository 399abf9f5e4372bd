#include "kv/signature.h"

#include <openssl/evp.h>

#include <charconv>
#include <format>
#include <memory>
#include <stdexcept>

namespace anyclaude::kv {

namespace {

constexpr std::string_view kPrefix = "anyclaude-key-";

struct Free {
  void operator()(EVP_PKEY* key) const { ::EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { ::EVP_MD_CTX_free(context); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;
using Context = std::unique_ptr<EVP_MD_CTX, Free>;

const unsigned char* unsigned_bytes(std::span<const std::byte> bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

Key secret(const SigningKey& key) {
  Key made(::EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, key.data(), key.size()));
  if (!made)
    throw std::runtime_error("OpenSSL has no Ed25519");
  return made;
}

} // namespace

PublicKey public_key(const SigningKey& key) {
  PublicKey bytes{};
  std::size_t size = bytes.size();
  if (::EVP_PKEY_get_raw_public_key(secret(key).get(), bytes.data(), &size) != 1)
    throw std::runtime_error("OpenSSL gives no public key");
  return bytes;
}

Signature sign(const SigningKey& key, std::span<const std::byte> bytes) {
  Signature signature{};
  std::size_t size = signature.size();
  const Key secret_key = secret(key);
  const Context context(::EVP_MD_CTX_new());
  if (::EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, secret_key.get()) != 1 ||
      ::EVP_DigestSign(context.get(), signature.data(), &size, unsigned_bytes(bytes),
                       bytes.size()) != 1)
    throw std::runtime_error("OpenSSL does not sign");
  return signature;
}

bool is_signed_by(const PublicKey& key, const Signature& signature,
                  std::span<const std::byte> bytes) {
  const Key of(::EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.data(), key.size()));
  const Context context(::EVP_MD_CTX_new());
  return of && ::EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, of.get()) == 1 &&
         ::EVP_DigestVerify(context.get(), signature.data(), signature.size(),
                            unsigned_bytes(bytes), bytes.size()) == 1;
}

std::string to_text(const PublicKey& key) {
  std::string text(kPrefix);
  for (const std::uint8_t byte : key)
    text += std::format("{:02x}", byte);
  return text;
}

std::expected<PublicKey, std::string> parse_public_key(std::string_view text) {
  PublicKey key{};
  const auto wrong = std::unexpected(
      std::format("a key is \"{}\" and {} hexadecimal digits, as `anyclaude cache key` prints it",
                  kPrefix, 2 * key.size()));
  if (!text.starts_with(kPrefix) || text.size() != kPrefix.size() + 2 * key.size())
    return wrong;
  text.remove_prefix(kPrefix.size());
  for (std::uint8_t& byte : key) {
    if (std::from_chars(text.data(), text.data() + 2, byte, 16).ptr != text.data() + 2)
      return wrong;
    text.remove_prefix(2);
  }
  return key;
}

} // namespace anyclaude::kv
