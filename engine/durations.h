#pragma once

#include <chrono>

/// Times as plain numbers, for averages and cost models.
namespace engine {

inline double inMicros(std::chrono::nanoseconds time) {
    return std::chrono::duration<double, std::micro>(time).count();
}
inline double inMillis(std::chrono::nanoseconds time) {
    return std::chrono::duration<double, std::milli>(time).count();
}

}  // namespace engine
