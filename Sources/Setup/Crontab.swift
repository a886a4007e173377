import Deployment
import Lineages

/// Root's own crontab, through crontab(1): certctl does not write to the spool, since cron has to notice a change.
struct Crontab: Sendable {
    private let host: SetupHost

    /// What is put before a line that setup turns off.
    static let mark = "#certctl setup# "

    init(_ host: SetupHost) { self.host = host }

    private var program: String? { host.program("/usr/bin/crontab", "/bin/crontab") }

    /// Its bytes; nil where there is none, also without cron.
    func read() async throws(SetupFailure) -> [UInt8]? {
        guard let program else { return nil }
        let outcome = await host.runner.run(
            Command.withoutErrors(program, ["-l"], environment: SetupHost.environment), timeout: SetupHost.timeout)
        guard outcome.succeeded else {
            if outcome.output.contains("no crontab") { return nil }
            throw SetupFailure("crontab -l \(outcome)" + (outcome.lastLine.map { ": \($0)" } ?? ""))
        }
        guard !outcome.outputWasCut else { throw SetupFailure("root's crontab is too long to be changed safely") }
        return outcome.bytes
    }

    /// Replaces it, by way of a file in a directory.
    func install(_ bytes: [UInt8]?, keep directory: String) async throws(SetupFailure) {
        guard let program else { throw SetupFailure("there is no crontab command") }
        let outcome: CommandOutcome
        if let bytes {
            let path = "\(directory)/crontab"
            do throws(FileError) {
                try FileSystem.makeDirectory(directory, mode: 0o700)
                try NewFile(path, bytes, mode: 0o600).commit()
            } catch {
                throw SetupFailure(error)
            }
            outcome = await host.run(program, [path])
            do throws(FileError) { try FileSystem.remove(path) } catch { throw SetupFailure(error) }
        } else {
            outcome = await host.run(program, ["-r"])
        }
        guard outcome.succeeded else {
            throw SetupFailure("crontab \(outcome)" + (outcome.lastLine.map { ": \($0)" } ?? ""))
        }
    }

    /// A text with certbot's lines commented out.
    struct Marking {
        let text: String
        /// The lines that are turned off.
        private(set) var lines: [String] = []
        /// Lines that run certbot among other things, and stay as they are.
        private(set) var mixed: [String] = []

        /// - Parameter namesUser: whether a line says whose it is before its command, as the system's crontabs do.
        init(_ former: String, namesUser: Bool) {
            // A line's end is a byte: with a return before it, it is no character of its own.
            var (marked, lines, mixed) = ([String](), [String](), [String]())
            for line in former.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
                let line = String(Substring(line))
                if !CertbotCommand.isIn(line) {
                    marked.append(line)
                } else if CertbotCommand.isAlone(in: Crontab.command(of: line, namesUser: namesUser)) {
                    lines.append(line)
                    marked.append(mark + line)
                } else {
                    mixed.append(line)
                    marked.append(line)
                }
            }
            (text, self.lines, self.mixed) = (marked.joined(separator: "\n"), lines, mixed)
        }

        /// What there is to say of lines that stay.
        func remarks(on place: String) -> [String] {
            mixed.map {
                "\(place) runs certbot among other things, and stays as it is: take certbot out of this line: \($0)"
            }
        }
    }

    /// What a line runs, without its times.
    private static func command(of line: String, namesUser: Bool) -> String {
        let fields = line.split(maxSplits: 1) { $0 == " " || $0 == "\t" }.first?.hasPrefix("@") == true ? 1 : 5
        var rest = line[...]
        for _ in 0..<(fields + (namesUser ? 1 : 0)) {
            rest = rest.drop { $0 == " " || $0 == "\t" }.drop { $0 != " " && $0 != "\t" }
        }
        return String(rest)
    }

    /// The lines without the mark.
    static func unmarking(_ bytes: [UInt8]) -> [UInt8] {
        Array(
            bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
                .map { $0.starts(with: mark.utf8) ? $0.dropFirst(mark.utf8.count) : $0 }
                .joined(separator: [UInt8(ascii: "\n")]))
    }
}
