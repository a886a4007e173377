import Deployment
import Lineages

/// Root's own crontab, through crontab(1): the spool is none of ours, and cron has to be told of a change.
struct Crontab: Sendable {
    private let host: SetupHost

    /// What is put before a line that setup turns off.
    static let mark = "#certctl setup# "

    init(_ host: SetupHost) { self.host = host }

    private var program: String? { host.program("/usr/bin/crontab", "/bin/crontab") }

    /// The text; nil where there is none, also without cron.
    func read() async throws(SetupFailure) -> String? {
        guard let program else { return nil }
        let outcome = await host.run(program, ["-l"])
        guard outcome.succeeded else {
            if outcome.output.contains("no crontab") { return nil }
            throw SetupFailure("crontab -l \(outcome)" + (outcome.lastLine.map { ": \($0)" } ?? ""))
        }
        guard !outcome.outputWasCut else { throw SetupFailure("root's crontab is too long to be changed safely") }
        return outcome.output
    }

    /// Replaces it, by way of a file in a directory.
    func install(_ text: String?, keep directory: String) async throws(SetupFailure) {
        guard let program else { throw SetupFailure("there is no crontab command") }
        let outcome: CommandOutcome
        if let text {
            let path = "\(directory)/crontab"
            do throws(FileError) {
                try FileSystem.makeDirectory(directory, mode: 0o700)
                try NewFile(path, Array(text.utf8), mode: 0o600).commit()
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

    /// The lines with certbot's commented out; nil where there are none.
    static func marking(_ text: String) -> (text: String, lines: [String])? {
        var found: [String] = []
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            guard CertbotCommand.isIn(String(line)) else { return String(line) }
            found.append(String(line))
            return mark + line
        }
        return found.isEmpty ? nil : (lines.joined(separator: "\n"), found)
    }

    /// The lines without the mark.
    static func unmarking(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.hasPrefix(mark) ? String($0.dropFirst(mark.count)) : String($0) }
            .joined(separator: "\n")
    }
}
