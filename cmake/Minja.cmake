# minja renders the chat template of a model's file, which is a stranger's program: it may loop or
# grow without end, and minja itself reads and writes where nothing is for some of what it may say.
# Here a copy of its headers is made in which the places that lead there are mended, or ask
# prompt/template_guard.h. Each is a piece of text of minja's and what stands in its place;
# tests/prompt/template_limits_test.cpp has a template for each.

# anyclaude_mend(VARIABLE old new): everywhere in the text.
function(anyclaude_mend variable old new)
  string(FIND "${${variable}}" "${old}" place)
  if(place EQUAL -1)
    message(WARNING "minja is not of the version that this was written for: there is no ${old}")
  endif()
  string(REPLACE "${old}" "${new}" text "${${variable}}")
  set(${variable} "${text}" PARENT_SCOPE)
endfunction()

function(anyclaude_write file text)
  set(before "")
  if(EXISTS ${file})
    file(READ ${file} before)
  endif()
  if(NOT before STREQUAL text) # so that what includes it is not compiled again
    file(WRITE ${file} "${text}")
  endif()
endfunction()

file(READ ${MINJA_INCLUDE_DIR}/minja/minja.hpp minja)
file(READ ${MINJA_INCLUDE_DIR}/minja/chat-template.hpp chat)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
  ${MINJA_INCLUDE_DIR}/minja/minja.hpp ${MINJA_INCLUDE_DIR}/minja/chat-template.hpp)

anyclaude_mend(minja "#include <nlohmann/json.hpp>" "#include <nlohmann/json.hpp>

#include \"prompt/template_guard.h\"
namespace minja { namespace guard = anyclaude::prompt::guard; }")

# Steps, and what they make.
anyclaude_mend(minja "return do_evaluate(context);" "const guard::Step step;
            Value value = do_evaluate(context);
            guard::spend(value.weight());
            return value;")
anyclaude_mend(minja "do_render(out, context);
        } catch" "const guard::Step step;
            do_render(out, context);
        } catch")
anyclaude_mend(minja "  size_t size() const {" "  size_t weight() const {
    return primitive_.is_string() ? primitive_.get_ref<const std::string &>().size() : 0;
  }
  size_t size() const {")
anyclaude_mend(minja "    array_->push_back(v);" "    guard::spend(sizeof(Value) + v.weight());
    array_->push_back(v);")
anyclaude_mend(minja "      out << text;" "      guard::spend(text.size());
      out << text;")
anyclaude_mend(minja "          out << to_str();" "          const auto piece = to_str();
          guard::spend(piece.size());
          out << piece;")
anyclaude_mend(minja "        else oss << sep;" "        else { guard::spend(sep.size()); oss << sep; }")
anyclaude_mend(minja "if (needs_indent) out += indent;"
  "if (needs_indent) { guard::spend(indent.size()); out += indent; }")
anyclaude_mend(minja "std::string indent(args.get<int64_t>(\"indent\", 0), ' ');"
  "std::string indent(guard::columns(args.get<int64_t>(\"indent\", 0)), ' ');")
anyclaude_mend(minja "dump(args.get<int64_t>(\"indent\", -1), "
  "dump(args.contains(\"indent\") ? int(guard::columns(args.get<int64_t>(\"indent\", -1))) : -1, ")
anyclaude_mend(minja "    auto s = primitive.dump();" "    auto s = primitive.dump();
    guard::spend(s.size());")
anyclaude_mend(minja "    auto print_indent = [&](int level) {" "    guard::level(level);
    guard::spend(0);
    auto print_indent = [&](int level) {
      guard::spend(indent > 0 ? size_t(level) * size_t(indent) : 0);")
anyclaude_mend(minja "  bool operator==(const Value & other) const {" "  bool operator==(const Value & other) const {
    const guard::Step step;")

# Searches.
anyclaude_mend(minja "        container.to_str().find(value.to_str()) != std::string::npos));"
  "        (guard::search(container.to_str(), value.to_str()), true) &&
        container.to_str().find(value.to_str()) != std::string::npos));")
anyclaude_mend(minja "  size_t end = s.find(sep);" "  if (sep.empty()) throw std::runtime_error(\"empty separator\");
  guard::search(s, sep);
  size_t end = s.find(sep);")
anyclaude_mend(minja "    result.push_back(s.substr(start, end - start));" "    guard::spend(sizeof(std::string));
    result.push_back(s.substr(start, end - start));")
anyclaude_mend(minja "  auto charset = chars.empty() ? \" \\t\\n\\r\" : chars;"
  "  auto charset = chars.empty() ? \" \\t\\n\\r\" : chars;
  guard::search(s, charset);")
anyclaude_mend(minja "                                                : str.length();
            size_t start_pos = 0;
            while ((start_pos = str.find(before, start_pos)) != std::string::npos &&
                  count-- > 0) {
              str.replace(start_pos, before.length(), after);
              start_pos += after.length();
            }
            return str;" "                                                : int64_t{-1};
            return guard::replaced(str, before, after, count);")

# Numbers.
anyclaude_mend(minja "if (is_primitive()) return primitive_.get<T>();"
  "if (is_primitive()) return guard::converted<T>(primitive_);")
anyclaude_mend(minja "return static_cast<int64_t>(get<double>());"
  "return is_number_integer() ? get<int64_t>() : guard::integer<int64_t>(get<double>());")
anyclaude_mend(minja "return -get<int64_t>();" "return guard::difference(0, get<int64_t>());")
anyclaude_mend(minja "return get<int64_t>() + rhs.get<int64_t>();"
  "return guard::sum(get<int64_t>(), rhs.get<int64_t>());")
anyclaude_mend(minja "return get<int64_t>() - rhs.get<int64_t>();"
  "return guard::difference(get<int64_t>(), rhs.get<int64_t>());")
anyclaude_mend(minja "return get<int64_t>() * rhs.get<int64_t>();"
  "return guard::product(get<int64_t>(), rhs.get<int64_t>());")
anyclaude_mend(minja "return get<int64_t>() / rhs.get<int64_t>();"
  "return get<int64_t>() / guard::divisor(get<int64_t>(), rhs.get<int64_t>());")
anyclaude_mend(minja "return get<int64_t>() % rhs.get<int64_t>();"
  "return get<int64_t>() % guard::divisor(get<int64_t>(), rhs.get<int64_t>());")
anyclaude_mend(minja "return l.get<int64_t>() / r.get<int64_t>();"
  "return l.get<int64_t>() / guard::divisor(l.get<int64_t>(), r.get<int64_t>());")
anyclaude_mend(minja "return l.get<int64_t>() % r.get<int64_t>();"
  "return l.get<int64_t>() % guard::divisor(l.get<int64_t>(), r.get<int64_t>());")

# Slices and ranges.
anyclaude_mend(minja "          if (target_value.is_string()) {
            std::string s = target_value.get<std::string>();
" "          guard::slice(int64_t(len), start, end, step);
          if (target_value.is_string()) {
            std::string s = target_value.get<std::string>();
")
anyclaude_mend(minja "    std::vector<bool> param_set(3);" "    std::vector<bool> param_set(3);
    if (args.args.size() > 3) throw std::runtime_error(\"range() takes three numbers\");")
anyclaude_mend(minja "    int64_t step = param_set[2] ? startEndStep[2] : 1;"
  "    int64_t step = param_set[2] ? startEndStep[2] : 1;
    guard::range(start, end, step);")

# Values that change, or are gone, while they are looked at.
anyclaude_mend(minja "      for (auto& item : *array_) {
        callback(item);
      }" "      for (size_t i = 0; i < array_->size(); ++i) {
        auto item = (*array_)[i];
        callback(item);
      }")
anyclaude_mend(minja "      for (auto & item : *object_) {
        Value key(item.first);" "      for (auto & item : ObjectType(*object_)) {
        Value key(item.first);")
anyclaude_mend(minja "auto & item = items.at(i);" "auto item = items.at(i);")
anyclaude_mend(minja "auto & item = args.args[0].at(i);" "auto item = args.args[0].at(i);")
anyclaude_mend(minja "std::sort(keys.begin()" "std::stable_sort(keys.begin()")
anyclaude_mend(minja "        auto do_eval = [&](const Value & l) -> Value {"
  "        auto do_eval = [this, context](const Value & l) -> Value {")
anyclaude_mend(minja "size_t cycle_index = 0;" "const auto cycle_index = std::make_shared<size_t>(0);")
anyclaude_mend(minja "loop.set(\"cycle\", Value::callable([&](" "loop.set(\"cycle\", Value::callable([cycle_index](")
anyclaude_mend(minja "auto item = args.args[cycle_index];
                  cycle_index = (cycle_index + 1) % args.args.size();"
  "auto item = args.args[(*cycle_index)++ % args.args.size()];")
anyclaude_mend(minja "      Value::CallableType loop_function;" "      Value::CallableType loop_function;
      struct Running {
        std::shared_ptr<bool> is = std::make_shared<bool>(true);
        ~Running() { *is = false; }
      } running;")
anyclaude_mend(minja "        loop_function = [&](const std::shared_ptr<Context> &, ArgumentsValue & args) {"
  "        loop_function = [&, is_running = running.is](const std::shared_ptr<Context> &, ArgumentsValue & args) {
            if (!*is_running) throw std::runtime_error(\"the loop is over\");")

# Values that hold each other.
anyclaude_mend(minja "    return Value(array);" "    return Value(guard::kept(array, [](ArrayType & values) { values.clear(); }));")
anyclaude_mend(minja "    return Value(object);" "    return Value(guard::kept(object, [](ObjectType & values) { values.clear(); }));")
anyclaude_mend(minja "    return Value(std::make_shared<CallableType>(callable));"
  "    return Value(guard::kept(std::make_shared<CallableType>(callable),
      [](CallableType & function) { function = nullptr; }));")
anyclaude_mend(minja "object_(std::make_shared<ObjectType>()), callable_(callable)"
  "object_(guard::kept(std::make_shared<ObjectType>(), [](ObjectType & values) { values.clear(); })), callable_(callable)")
anyclaude_mend(minja "      object_ = std::move(object);"
  "      object_ = guard::kept(std::move(object), [](ObjectType & values) { values.clear(); });")
anyclaude_mend(minja "      array_ = array;"
  "      array_ = guard::kept(std::move(array), [](ArrayType & values) { values.clear(); });")

# Reading.
anyclaude_mend(minja "        Parser parser(std::make_shared" "        guard::source(template_str);
        Parser parser(std::make_shared")
anyclaude_mend(minja "  Expression(const Location & location) : location(location) {}"
  "  Expression(const Location & location) : location(location) { guard::expression(); }")
anyclaude_mend(minja "          auto location = get_location();

          if (!(group = consumeTokenGroups(comment_tok, SpaceHandling::Keep)).empty()) {"
  "          auto location = get_location();
          guard::next_tag();

          if (!(group = consumeComment()).empty()) {")
anyclaude_mend(minja "    TemplateTokenVector tokenize() {" "    std::vector<std::string> consumeComment() {
      if (consumeToken(\"{#\", SpaceHandling::Keep).empty()) return {};
      const std::string close = \"#}\";
      const auto found = std::search(it, end, close.begin(), close.end());
      if (found == end) { it -= 2; return {}; }
      std::string content(it, found);
      it = found + 2;
      const auto is_mark = [](char c) { return c == '-' || c == '~'; };
      std::string pre, post;
      if (!content.empty() && is_mark(content.front())) { pre = content.substr(0, 1); content.erase(0, 1); }
      if (!content.empty() && is_mark(content.back())) { post = content.back(); content.pop_back(); }
      return {\"{#\", pre, content, post};
    }

    TemplateTokenVector tokenize() {")
anyclaude_mend(minja "      static std::regex comment_tok(R\"(\\{#([-~]?)([\\s\\S]*?)([-~]?)#\\})\");
" "")
anyclaude_mend(minja "std::regex_search(it, end, match, regex) && match.position() == 0"
  "std::regex_search(it, end, match, regex, std::regex_constants::match_continuous)")
anyclaude_mend(minja "R\"(^\\{%([-~])?\\s*)\"" "R\"(^\\{%([-~])?)\"")
anyclaude_mend(minja "(?:\\s*,\\s*(?:\\w+))*)\\s*)\"" "(?:\\s*,\\s*(?:\\w+)){0,9})\\s*)\"")
anyclaude_mend(minja "                static std::regex trailing_space_regex(R\"(\\s+$)\");
                text = std::regex_replace(text, trailing_space_regex, \"\");"
  "                text = strip(text, \" \\t\\n\\r\\f\\v\", false, true);")
anyclaude_mend(minja "                static std::regex leading_space_regex(R\"(^\\s+)\");
                text = std::regex_replace(text, leading_space_regex, \"\");"
  "                text = strip(text, \" \\t\\n\\r\\f\\v\", true, false);")
foreach(reader "parseExpression(bool allow_if_expr = true)" "parseLogicalNot()" "parseMathMulDiv()" "parseExpansion()")
  anyclaude_mend(minja "std::shared_ptr<Expression> ${reader} {" "std::shared_ptr<Expression> ${reader} {
        const guard::Step step;")
endforeach()
anyclaude_mend(minja "        std::vector<std::shared_ptr<TemplateNode>> children;
        while (it != end) {" "        const guard::Step step;
        std::vector<std::shared_ptr<TemplateNode>> children;
        while (it != end) {")
anyclaude_mend(minja "    return std::string(start, end);
  };" "    return std::string(start, start + std::min<std::ptrdiff_t>(end - start, 200));
  };")
anyclaude_mend(minja "std::string(col - 1, ' ')" "std::string(std::min<size_t>(col - 1, 200), ' ')")

anyclaude_mend(chat "(full[full.size() - 1] == '\\n'" "(!full.empty() && full.back() == '\\n'")

# What it could not find out about a template it would tell the terminal.
anyclaude_mend(chat "fprintf(stderr, \"Failed to infer a tool call example (possible template bug)\\n\");" "")
anyclaude_mend(chat "fprintf(stderr, \"Failed to generate tool call example: %s\\n\", e.what());" "")

set(MINJA_MENDED_DIR ${CMAKE_BINARY_DIR}/minja)
anyclaude_write(${MINJA_MENDED_DIR}/minja/minja.hpp "${minja}")
anyclaude_write(${MINJA_MENDED_DIR}/minja/chat-template.hpp "${chat}")
