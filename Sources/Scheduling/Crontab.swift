import Deployment
import Lineages

/// Root's own crontab, through crontab(1): the spool is none of ours, and cron has to be told of a change.
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
    static func unmarking(_ bytes: [UInt8]) -> [UInt8] {
        Array(
            bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
                .map { $0.starts(with: mark.utf8) ? $0.dropFirst(mark.utf8.count) : $0 }
                .joined(separator: [UInt8(ascii: "\n")]))
    }
}
