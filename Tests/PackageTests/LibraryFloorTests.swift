import FoundationEssentials
import Rig
import Testing

/// How old the system may be that the program runs on: Ubuntu 22.04 has glibc 2.35, OpenSSL 3.0.2 and libcurl 7.81.
@Suite(.parts("readelf"))
struct LibraryFloorTests {
    /// The newest version of each library's symbols that such a system has.
    private static let newest: [String: [Int]] = [
        "GLIBC": [2, 35], "GLIBCXX": [3, 4, 30], "CXXABI": [1, 3, 13], "GCC": [12], "OPENSSL": [3, 0, 0],
        "CURL_OPENSSL": [4],
    ]

    /// The release build where one is to be tested, else what was built with the tests: its symbols are the same.
    private var binary: String { BuiltProgram.certctl }

    @Test func `it asks for no symbol that is newer`() async throws {
        let versions = try await check("readelf", ["--version-info", "--wide", binary])
        var seen: Set<String> = []
        for match in versions.matches(of: /Name: (?<library>[A-Z_]+?)_(?<number>[0-9.]+|ABI_\S+|PRIVATE)\s/) {
            let library = String(match.library)
            guard let newest = LibraryFloorTests.newest[library] else {
                Issue.record("a version of a library that nobody thought of: \(match.0)")
                continue
            }
            seen.insert(library)
            // GLIBC_ABI_DT_RELR (packed relocations, glibc 2.36) is no number, and is not there either.
            let number = match.number.split(separator: ".").map { Int($0) ?? .max }
            #expect(!newest.lexicographicallyPrecedes(number), "\(match.0)is newer than Ubuntu 22.04")
        }
        #expect(seen.isSuperset(of: ["GLIBC", "OPENSSL", "CURL_OPENSSL"]), "\(versions)")
    }

    @Test func `its relocations are of the kind that every glibc reads`() async throws {
        #expect(try await !check("readelf", ["--dynamic", "--wide", binary]).contains("RELR"))
    }

    /// libcurl with the options of 7.81: a library before the real one that knows no newer ones, and writes down the rest.
    @Test(.parts("cc"))
    func `with an old libcurl the protocols are restricted all the same`() async throws {
        try await withOldLibcurl(knowsBits: true) { environment, log in
            let output = try await request(environment)
            #expect(output.stderr.contains("cannot connect to 127.0.0.1"), "\(output.stderr)")
            let lines = Set((contents(ofFile: log) ?? "").split(separator: "\n"))
            // CURLPROTO_HTTP | CURLPROTO_HTTPS.
            #expect(lines == ["protocols 3"], "\(lines)")
        }
    }

    @Test(.parts("cc"))
    func `with a libcurl that cannot restrict them nothing is asked`() async throws {
        try await withOldLibcurl(knowsBits: false) { environment, log in
            let output = try await request(environment)
            #expect(output.status != 0)
            #expect(!output.stderr.contains("cannot connect"), "\(output.stderr)")
        }
    }

    /// A command that makes a request, to a port at which nobody listens.
    private func request(_ environment: [String: String]) async throws -> Output {
        try await TemporaryDirectory.with { directory in
            try await sh(
                binary,
                [
                    "issue", "--config-dir", "\(directory)/tree", "--state-dir", "\(directory)/state", "--webroot",
                    directory, "--server", "https://127.0.0.1:\(Ports.free())/dir", "--agree-tos", "-d", "a.example",
                ], environment: environment)
        }
    }

    private func withOldLibcurl(
        knowsBits: Bool, _ body: ([String: String], String) async throws -> Void
    ) async throws {
        let source = """
            #define _GNU_SOURCE
            #include <dlfcn.h>
            #include <stdarg.h>
            #include <stdio.h>
            #include <stdlib.h>
            int curl_easy_setopt(void *easy, int option, ...) {
                va_list list;
                va_start(list, option);
                void *value = va_arg(list, void *);
                va_end(list);
                /* 7.81's newest option is 314 (CURLOPT_MIME_OPTIONS is 315, of 7.81 itself). */
                if (option % 10000 > 315) return 48; /* CURLE_UNKNOWN_OPTION */
                if (option == 181) {
                    if (!\(knowsBits ? 1 : 0)) return 48;
                    FILE *log = fopen(getenv("SETOPT_LOG"), "a");
                    if (log) { fprintf(log, "protocols %ld\\n", (long)value); fclose(log); }
                }
                int (*next)(void *, int, ...) = (int (*)(void *, int, ...))dlsym(RTLD_NEXT, "curl_easy_setopt");
                return next(easy, option, value);
            }
            """
        try await TemporaryDirectory.with { directory in
            try source.write(toFile: "\(directory)/old.c", atomically: false, encoding: .utf8)
            try await check("cc", ["-shared", "-fPIC", "-o", "old.so", "old.c", "-ldl"], directory: directory)
            try await body(
                ["LD_PRELOAD": "\(directory)/old.so", "SETOPT_LOG": "\(directory)/log"], "\(directory)/log")
        }
    }
}
