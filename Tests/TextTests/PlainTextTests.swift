import Testing
import Text

/// Text from outside: what a terminal gets of it, and how much.
struct PlainTextTests {
    @Test(
        arguments: [
            ("a line of words", "a line of words"), ("two\nlines\r\nthree", "two lines three"), ("a\tb", "a b"),
            ("\u{1B}[2Jgone", "?[2Jgone"), ("\u{9B}31m", "?31m"), ("\u{202E}txt.exe", "?txt.exe"), ("\0", "?"),
            ("Größe ✓ 例え", "Größe ✓ 例え"), ("a\u{2028}b", "a b"), ("e\u{301}", "e\u{301}"),
        ])
    func `what steers a terminal is seen and not done`(text: String, plain: String) {
        #expect(text.plain == plain)
        #expect(text.line() == plain)
    }

    @Test func `no scalar of Unicode is a control when it is printed`() {
        for value in UInt32(0)...0x10FFFF {
            guard let scalar = Unicode.Scalar(value) else { continue }
            for left in String(scalar).plain.unicodeScalars {
                switch left.properties.generalCategory {
                case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned:
                    Issue.record("U+\(String(value, radix: 16)) is printed")
                default: break
                }
            }
        }
    }

    @Test func `a line is cut where nobody reads on, and says so`() {
        let long = String(repeating: "word ", count: 200_000)
        #expect(long.line().unicodeScalars.count == PlainText.longestLine + 1)
        #expect(long.line().hasSuffix("…"))
        #expect(String(repeating: "é", count: 500).line() == String(repeating: "é", count: 500))
        #expect(String(repeating: "é", count: 501).line().unicodeScalars.count == 501)
        #expect(long.line(atMost: 3) == "wor…")
        #expect(long.plainSentence.unicodeScalars.count == PlainText.longestSentence + 1)
    }

    @Test func `a character of a million marks is cut, too`() {
        #expect(("a" + String(repeating: "\u{301}", count: 1_000_000)).line().unicodeScalars.count == 501)
    }
}
