import FoundationEssentials
import Rig
import Testing

/// What would keep certctl from being built on arm64, which no machine here has: nothing in the build names a processor, and
/// nothing in the sources is right on x86 only.
@Suite(.parts("git"))
struct PortabilityTests {
    private func lines(matching pattern: String, in paths: String...) async throws -> [String] {
        let output = try await sh(
            "git", ["grep", "-nE", pattern, "--"] + paths, directory: BuiltProgram.repository)
        #expect(output.status <= 1, "\(output.stderr)")
        return output.stdout.split(separator: "\n").map(String.init)
    }

    @Test func `nothing in the build names a processor`() async throws {
        let found = try await lines(
            matching: "x86[_-]|amd64|i386|[^a-z]intel", in: "Makefile", "Package.swift", ".debian", ".ci", "Sources",
            "hooks",
            "systemd")
        #expect(found == [])
    }

    /// `CChar` is signed on x86 and unsigned on arm64: a conversion by bit pattern is none there.
    @Test func `a char is signed nowhere`() async throws {
        #expect(
            try await lines(
                matching: "(UInt8|CChar)(\\.init)?\\(bitPattern|Int8\\(bitPattern", in: "Sources", "Tests/Rig")
                == [])
    }
}
