{
  "targets": [
    {
      "target_name": "mmap_transport",
      "sources": [
        "native/addon.cc",
        "native/binding_support.cc",
        "native/buffers.cc",
        "native/doorbell.cc",
        "native/doorbell_ringer_binding.cc",
        "native/doorbell_binding.cc",
        "native/mapping.cc",
        "native/mapping_binding.cc",
        "native/mapping_pages.cc",
        "native/shared_buffer_v8.cc"
      ],
      "defines": ["NAPI_VERSION=9"],
      "conditions": [
        ["OS=='linux'", {
          "sources": ["native/doorbell_posix.cc", "native/faults_posix.cc", "native/platform_posix.cc", "native/platform_linux.cc"],
          "defines": ["_FILE_OFFSET_BITS=64", "_GNU_SOURCE"],
          "cflags_cc": ["-std=c++20", "-fno-exceptions", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wno-cast-function-type"],
          "ldflags": ["-Wl,-z,nodelete"]
        }],
        ["OS=='mac'", {
          "sources": ["native/doorbell_posix.cc", "native/faults_posix.cc", "native/platform_posix.cc", "native/platform_mac.cc"],
          "xcode_settings": {
            "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
            "GCC_ENABLE_CPP_EXCEPTIONS": "NO",
            "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
            "MACOSX_DEPLOYMENT_TARGET": "11.0"
          }
        }],
        ["OS=='win'", {
          "sources": ["native/doorbell_win.cc", "native/platform_win.cc", "native/platform_win_files.cc", "native/security_win.cc"],
          "defines": ["NOMINMAX", "WIN32_LEAN_AND_MEAN", "_WIN32_WINNT=0x0A00"],
          "libraries": ["advapi32.lib", "psapi.lib"],
          "msvs_settings": { "VCCLCompilerTool": { "AdditionalOptions": ["/std:c++20"] } }
        }]
      ]
    }
  ]
}
