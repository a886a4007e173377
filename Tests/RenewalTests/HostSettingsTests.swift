import FoundationEssentials
import Lineages
import Renewal
import Rig
import Testing

/// `/etc/certctl/certctl.conf`: numbers that are none, or absurd.
struct HostSettingsTests {
    @Test(
        arguments: [
            ("hook_timeout", "a number of seconds from 1 to 86400"),
            ("verify_timeout", "a number of seconds from 0 to 86400"),
            ("duplicate_limit", "a number of certificates from 1 to 1000000"), ("http_port", "a port from 1 to 65535"),
        ],
        [
            "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-1", "1e3", "soon", "70000000",
            "99999999999999999999999999",
        ])
    func `a number out of bounds is refused with what is expected`(setting: (String, String), value: String)
        async throws
    {
        try await TemporaryDirectory.with { directory in
            let path = "\(directory)/certctl.conf"
            try "\(setting.0) = \(value)\n".write(toFile: path, atomically: false, encoding: .utf8)
            let error = #expect(throws: HostSettings.Failure.self) { try HostSettings(path: path) }
            #expect(error?.description == "\(path): \(setting.0) = \(value) is not \(setting.1)")
        }
    }

    @Test func `the longest times that are allowed are allowed`() async throws {
        try await TemporaryDirectory.with { directory in
            let path = "\(directory)/certctl.conf"
            try "hook_timeout = 86400\nverify_timeout = 86400\nhttp_port = 65535\nduplicate_limit = 1\n"
                .write(toFile: path, atomically: false, encoding: .utf8)
            let settings = try HostSettings(path: path)
            #expect(settings.hookTimeout == .seconds(86_400))
            #expect((settings.httpPort, settings.duplicateLimit) == (65_535, 1))
        }
    }

    @Test(arguments: ["9223372036854775807", "-1", "86401"])
    func `so it is in a lineage's own section`(value: String) throws {
        let conf = try ConfFile(bytes: Array("[certctl]\nverify_timeout = \(value)\n".utf8))
        let error = #expect(throws: LineageProblem.self) {
            try VerificationSettings(lineage: conf, host: ConfFile())
        }
        #expect(
            try #require(error).description == "verify_timeout = \(value) is not a number of seconds from 0 to 86400")
    }
}
