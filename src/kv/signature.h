#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>

/// Ed25519 (RFC 8032): who made a file that others bring.
namespace anyclaude::kv {

using SigningKey = std::array<std::uint8_t, 32>; // secret
using PublicKey = std::array<std::uint8_t, 32>;
using Signature = std::array<std::uint8_t, 64>;

PublicKey public_key(const SigningKey& key);
Signature sign(const SigningKey& key, std::span<const std::byte> bytes);
bool is_signed_by(const PublicKey& key, const Signature& signature,
                  std::span<const std::byte> bytes);

/// A public key as people pass it on: "anyclaude-key-" and 64 hexadecimal digits.
std::string to_text(const PublicKey& key);
/// The error says what such a text looks like.
std::expected<PublicKey, std::string> parse_public_key(std::string_view text);

} // namespace anyclaude::kv
