import Glibc
import Text

/// What an output can show.
struct Screen {
    /// Columns; nil where there is no terminal, and lines may be as long as they like.
    let width: Int?
    /// Whether colours are seen: on a terminal, unless `NO_COLOR` is set (no-color.org).
    let hasColour: Bool
    /// Whether more than ASCII is seen, by the locale's names as setlocale(3) takes them.
    let hasUnicode: Bool

    static let output = Screen(STDOUT_FILENO)
    static let error = Screen(STDERR_FILENO)

    private init(_ descriptor: Int32) {
        let isTerminal = isatty(descriptor) == 1
        var size = winsize()
        let columns = Screen.variable("COLUMNS").flatMap { Int($0) }
        if let columns, columns > 0 {
            width = columns
        } else if isTerminal, unsafe ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 {
            width = Int(size.ws_col)
        } else {
            width = isTerminal ? 80 : nil
        }
        hasColour = isTerminal && Screen.variable("NO_COLOR") == nil && Screen.variable("TERM") != "dumb"
        let locale = Screen.variable("LC_ALL") ?? Screen.variable("LC_CTYPE") ?? Screen.variable("LANG") ?? ""
        hasUnicode = ["UTF-8", "UTF8"].contains { locale.uppercased().contains($0) }
    }

    init(width: Int?, hasColour: Bool, hasUnicode: Bool) {
        (self.width, self.hasColour, self.hasUnicode) = (width, hasColour, hasUnicode)
    }

    static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

    /// A variable of the environment; nil where it is not set, or empty.
    private static func variable(_ name: String) -> String? {
        unsafe getenv(name).map { unsafe String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }
}

/// How a text stands out on a terminal (ECMA-48, SGR); readable on light and on dark.
enum Style: String {
    case good = "32"
    case attention = "33"
    case bad = "31;1"
    case faint = "2"
    case heading = "1"

    /// The text in this style, where the screen has colours; nothing in the text itself steers a terminal.
    func text(_ text: String, on screen: Screen) -> String {
        screen.hasColour ? "\u{1B}[\(rawValue)m\(text.plain)\u{1B}[0m" : text.plain
    }
}
