import Foundation
import Rig
import Testing

@testable import Challenges

/// Which Python has the host's certbot.
struct CertbotPythonTests {
    private static func script(_ path: String, _ text: String) throws {
        try FileManager.default.createDirectory(
            atPath: URL(filePath: path).deletingLastPathComponent().path(), withIntermediateDirectories: true)
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    }

    @Test func `it is the one that the command certbot names, also by a link`() async throws {
        try await TemporaryDirectory.with { directory in
            try Self.script("\(directory)/venv/bin/python3.11", "#!/bin/sh\n")
            try Self.script("\(directory)/venv/bin/certbot", "#!\(directory)/venv/bin/python3.11\nimport sys\n")
            try FileManager.default.createSymbolicLink(
                atPath: "\(directory)/certbot", withDestinationPath: "\(directory)/venv/bin/certbot")
            let found = try CertbotPython.path(
                venv: nil, plugin: "dns-x", commands: ["\(directory)/none", "\(directory)/certbot"])
            #expect(found == "\(directory)/venv/bin/python3.11")
        }
    }

    @Test func `a virtual environment that the settings name goes before`() async throws {
        try await TemporaryDirectory.with { directory in
            #expect(throws: CertbotPython.Obstacle.self) {
                try CertbotPython.path(venv: directory, plugin: "dns-x", commands: [])
            }
            try Self.script("\(directory)/bin/python3", "#!/bin/sh\n")
            #expect(
                try CertbotPython.path(venv: directory, plugin: "dns-x", commands: []) == "\(directory)/bin/python3")
        }
    }

    @Test func `certbot as a snap is out of reach, and the line says what to do`() async throws {
        try await TemporaryDirectory.with { directory in
            try Self.script("\(directory)/snap/bin/certbot", "")
            try FileManager.default.createSymbolicLink(
                atPath: "\(directory)/certbot", withDestinationPath: "\(directory)/snap/bin/certbot")
            let obstacle = #expect(throws: CertbotPython.Obstacle.self) {
                try CertbotPython.path(venv: nil, plugin: "dns-cloudflare", commands: ["\(directory)/certbot"])
            }
            #expect(obstacle?.isSnap == true)
            #expect(
                obstacle?.description.contains("/opt/certbot/bin/pip install certbot certbot-dns-cloudflare") == true)
        }
    }

    @Test func `without certbot it is the system's`() throws {
        #expect(try CertbotPython.path(venv: nil, plugin: "dns-x", commands: [], system: "/bin/sh") == "/bin/sh")
    }
}
