#pragma once

#include "anthropic/messages.h"
#include "anthropic/schema_reader.h"

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace anyclaude::anthropic {

/// Reads the content of messages and tool results: a string, or a list of blocks. What is missing
/// or of a wrong type goes to `reader`. Unknown types of block are no error (see UnsupportedBlock).
class ContentReader {
 public:
  explicit ContentReader(SchemaReader& reader) : reader_(reader) {}

  std::vector<ContentBlock> content(const Json& value, const Path& at);

  /// Notes whether the object (a block, a tool) asks for caching.
  void note_cache_control(const Json& object);

  bool caching() const { return caching_; }

  /// One sentence for each type of block that only a placeholder stands for.
  std::vector<std::string> warnings() const;

 private:
  ContentBlock block(const Json& value, const Path& at);
  ResultBlock result_block(const Json& value, const Path& at);
  template <class Block>
  std::vector<Block> blocks(const Json& value, const Path& at,
                            Block (ContentReader::*read)(const Json&, const Path&));
  std::vector<ResultBlock> result_content(const Json& value, const Path& at);
  ResultBlock shared_block(const std::string& type, const Json& value, const Path& at);
  ResultBlock image(const Json& value, const Path& at);
  ResultBlock document(const Json& value, const Path& at);
  ResultBlock search_result(const Json& value, const Path& at);
  std::string text_of(const Json& value, const Path& at);
  ContentBlock tool_use(const Json& value, const Path& at);
  ContentBlock tool_result(const Json& value, const Path& at);
  UnsupportedBlock unsupported(const std::string& type, std::string description);

  SchemaReader& reader_;
  bool caching_ = false;
  std::size_t blocks_ = 0;                  // in lists, so far
  std::map<std::string, int> placeholders_; // type -> how many
};

} // namespace anyclaude::anthropic
