#pragma once

#include <fmt/format.h>

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace engine {

/// What kind of expected failure happened; callers branch on the code, people read the message.
enum class ErrorCode {
    NotFound,         ///< a file, key, tensor or token that was asked for is not there
    InvalidFile,      ///< a file contradicts itself or its format
    Unsupported,      ///< well formed, but nothing here can run it
    InvalidArgument,  ///< the caller's request makes no sense
    OutOfMemory,      ///< host or device memory, or KV blocks
    ContextFull,      ///< a sequence has no room left
    Cancelled,        ///< asked for by the caller
    Io,               ///< the system refused to read or write
    Internal,         ///< a bug that could be contained to one request
};

/// An expected failure as a value. `message` is one line that says what was asked, what was there and what to
/// do.
struct Error {
    ErrorCode code = ErrorCode::Internal;
    std::string message;
};

template <class T>
using Result = tl::expected<T, Error>;

/// Builds the unexpected value of any `Result<T>`: `return fail(ErrorCode::NotFound, "no key '{}'", key);`
template <class... Args>
tl::unexpected<Error> fail(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
    return tl::unexpected<Error>(Error{code, fmt::format(format, std::forward<Args>(args)...)});
}

}  // namespace engine
