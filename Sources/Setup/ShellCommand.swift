/// One command of a shell's line, and how it hangs on the one before it.
struct ShellCommand {
    /// What stands between two commands.
    enum Joint {
        /// `&&`, `||` or `|`: what follows has to do with what was before.
        case joined
        /// `;`, `&` or a line's end: what follows runs by itself.
        case separate
    }

    let joint: Joint
    let text: String
    /// What stands in quotes in it.
    let quoted: [String]

    /// The commands of a line, in order; signs in quotes separate nothing.
    static func all(in line: String) -> [ShellCommand] {
        var commands: [ShellCommand] = []
        var (joint, text, quoted) = (Joint.separate, "", [String]())
        var quote: (sign: Character, text: String)?
        let signs = Array(line)
        var index = 0
        while index < signs.count {
            let sign = signs[index]
            let next = index + 1 < signs.count ? signs[index + 1] : nil
            defer { index += 1 }
            if sign == "\\", quote?.sign != "'", let next {
                text += "\\\(next)"
                quote?.text += "\\\(next)"
                index += 1
            } else if let open = quote {
                text.append(sign)
                if sign == open.sign {
                    quoted.append(open.text)
                    quote = nil
                } else {
                    quote?.text.append(sign)
                }
            } else if sign == "'" || sign == "\"" {
                text.append(sign)
                quote = (sign, "")
            } else if sign == "#", text.last.map({ $0 == " " || $0 == "\t" }) ?? true {
                // A comment, to the line's end.
                while index + 1 < signs.count, !signs[index + 1].isNewline { index += 1 }
            } else if sign == "&", text.last == ">" || text.last == "<" || next == ">" {
                // A redirection: 2>&1, &>file.
                text.append(sign)
            } else if [";", "|", "&"].contains(sign) || sign.isNewline {
                commands.append(ShellCommand(joint: joint, text: text, quoted: quoted))
                joint = sign == "|" || sign == "&" && next == "&" ? .joined : .separate
                if sign == next || sign == "|" && next == "&" { index += 1 }
                (text, quoted) = ("", [])
            } else {
                text.append(sign)
            }
        }
        if let quote { quoted.append(quote.text) }
        commands.append(ShellCommand(joint: joint, text: text, quoted: quoted))
        return commands
    }
}
