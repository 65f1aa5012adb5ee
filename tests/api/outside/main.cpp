/* SPDX-License-Identifier: MIT */
/* outside/main.cpp — the same from C++17: the headers as they are, ownership by unique_ptr. */
#include <faciliter/cache.h>
#include <faciliter/facade.h>

#include <iostream>
#include <memory>
#include <string_view>

namespace {

struct close_it {
    void operator()(fac_cache *cache) const
    {
        fac_cache_close(cache);
    }
    void operator()(fac_value *value) const
    {
        fac_value_unref(value);
    }
    void operator()(char *string) const
    {
        cache_free(string);
    }
};

template <typename T> using owned = std::unique_ptr<T, close_it>;

fac_bytes bytes_of(std::string_view text)
{
    return fac_mem(text.data(), text.size());
}

bool use_handle()
{
    fac_options options;
    fac_options_init(&options);
    fac_error err;
    fac_cache *opened = nullptr;
    if (fac_cache_open(&options, &opened, &err) < 0) {
        std::cerr << "open: " << err.message << '\n';
        return false;
    }
    owned<fac_cache> cache(opened);
    const fac_call call = fac_call_within(1000);
    if (fac_cache_set(cache.get(), bytes_of("outside"), bytes_of("value"), FAC_TTL_DEFAULT,
                      &call, &err) < 0) {
        std::cerr << "set: " << err.message << '\n';
        return false;
    }
    fac_value *found = nullptr;
    if (fac_cache_get(cache.get(), bytes_of("outside"), &call, &found, &err) != FAC_OK) {
        return false;
    }
    owned<fac_value> value(found);
    const fac_bytes bytes = fac_value_bytes(value.get());
    return std::string_view(static_cast<const char *>(bytes.data), bytes.len) == "value";
}

bool use_facade()
{
    if (!set_cache(nullptr) || !cache_set("outside", "value", FAC_TTL_NONE)) {
        std::cerr << "facade: " << cache_error() << '\n';
        return false;
    }
    owned<char> value(cache_get("outside", nullptr));
    const bool is_right = value != nullptr && std::string_view(value.get()) == "value";
    close_cache();
    return is_right;
}

} /* namespace */

int main()
{
    std::cout << "faciliter " << fac_version() << '\n';
    return use_handle() && use_facade() ? 0 : 1;
}
