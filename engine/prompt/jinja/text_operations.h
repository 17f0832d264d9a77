#pragma once

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "engine/prompt/jinja/text.h"
#include "engine/prompt/jinja/unicode.h"

/// Python's str operations on text that knows its origin. Positions and widths count characters.
namespace engine::jinja {

Text upperCase(const Text& text);
Text lowerCase(const Text& text);  ///< a sigma at the end of a word becomes its final form
Text foldCase(const Text& text);
Text swapCase(const Text& text);
Text capitalise(const Text& text);
/// Every word's first letter, where a word is a stretch of cased characters.
Text titleCase(const Text& text);

bool isLowerCase(const Text& text);
bool isUpperCase(const Text& text);
bool isTitleCase(const Text& text);

enum class Side : uint8_t { Left, Right, Both };
/// Without `characters`: white space.
Text strip(const Text& text, Side side, const Text* characters = nullptr);
/// `limit` < 0: no limit. Without a separator: at white space, and no empty parts. An empty separator is an
/// error.
std::vector<Text> split(const Text& text, const Text* separator, long limit);
std::vector<Text> splitFromRight(const Text& text, const Text* separator, long limit);
std::vector<Text> splitLines(const Text& text, bool keepEnds);
/// `limit` < 0: all.
Text replace(const Text& text, const Text& from, const Text& to, long limit);
size_t countOf(std::string_view text, std::string_view part);
/// Byte offset at or after `from`, or npos; linear.
size_t findFrom(std::string_view text, std::string_view part, size_t from);
/// Looks from the right, in linear time however alike text and part are.
class BackwardFinder {
  public:
    BackwardFinder(std::string_view text, std::string_view part);
    /// Byte offset of the last occurrence that ends at or before `end`, or npos.
    size_t before(size_t end) const;

  private:
    std::string_view text_, part_;
    std::string reversedText_, reversedPart_;  // of long parts
};
Text joined(const std::vector<Text>& parts, const Text& separator);
/// Spaces (or `fill`) so that the text is `width` characters wide.
Text pad(const Text& text, size_t before, size_t after, std::string_view fill = " ");
Text centred(const Text& text, size_t width, std::string_view fill = " ");
Text expandTabs(const Text& text, size_t tabSize);

/// Whether the text has characters and all of them pass.
bool allCharacters(const Text& text, const std::function<bool(char32_t)>& passes);
std::vector<char32_t> charactersOf(const Text& text);

}  // namespace engine::jinja
