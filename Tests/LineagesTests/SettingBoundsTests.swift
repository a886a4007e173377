import Lineages
import Testing

/// Numbers in settings: what is out of bounds is refused with what is not, and never overflows.
struct SettingBoundsTests {
    private static let absurd = [
        "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-1", "99999999999999999999999", "1e9",
        "0x10",
        "", " ", "1 2", "１０", "1.5", "NaN",
    ]

    @Test(arguments: absurd)
    func `absurd numbers are none`(text: String) {
        for bounds in [
            SettingBounds.hookTimeout, .verifyTimeout, .duplicateLimit, .port, .rsaKeySize,
        ] {
            #expect(bounds.number(text) == nil, "\(bounds)")
        }
    }

    @Test func `bounds are inclusive, and are said`() {
        #expect(SettingBounds.hookTimeout.number("1") == 1)
        #expect(SettingBounds.hookTimeout.number("86400") == 86_400)
        #expect(SettingBounds.hookTimeout.number("86401") == nil)
        #expect(SettingBounds.hookTimeout.number("0") == nil)
        #expect(SettingBounds.verifyTimeout.number("0") == 0)
        #expect("\(SettingBounds.hookTimeout)" == "a number of seconds from 1 to 86400")
    }

    @Test(
        arguments: absurd.filter { !["", " "].contains($0) } + [
            String(repeating: "9", count: 400) + " years", "9223372036854775807 years", "101 years", "36501",
            "100 years 1 day",
        ])
    func `a time span beyond a hundred years is none, and the default applies`(text: String) throws {
        let conf = try ConfFile(
            bytes: Array("renew_before_expiry = \"\(text)\"\n[renewalparams]\nauthenticator = webroot\n".utf8))
        let options = try RenewalOptions(conf, defaults: CLIDefaults())
        #expect(options.renewBeforeExpiry == nil)
        #expect(options.remarks.map(\.code) == [.renewBeforeExpiry])
    }

    @Test func `a time span of a hundred years is one`() { #expect(TimeSpan.seconds(in: "36500") == 3_153_600_000) }

    @Test(arguments: ["9223372036854775807", "99999999999999999999999", "1024", "8193", "-2048", "two"])
    func `a size of a key that no CA takes is refused with what is taken`(text: String) throws {
        let conf = try ConfFile(
            bytes: Array("[renewalparams]\nauthenticator = webroot\nkey_type = rsa\nrsa_key_size = \(text)\n".utf8))
        let error = #expect(throws: LineageProblem.self) { try RenewalOptions(conf, defaults: CLIDefaults()) }
        #expect(error?.description == "rsa_key_size = \(text) is not a number of bits from 2048 to 4096")
    }
}
