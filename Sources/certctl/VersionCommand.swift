import ArgumentParser

/// `certctl version`: the same as `--version`.
struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Print the version, the commit, and the versions of OpenSSL and libcurl.")

    func run() throws {
        print(Version.line)
        try StandardStreams.finishOutput()
    }
}
