import FoundationEssentials
import Lineages
import Rig
import Testing

/// The file that names a state directory's tree, damaged in every way.
struct DamagedOwnerTests {
    @Test(
        arguments: [
            ": >state/tree", "echo >state/tree", "echo nothing >state/tree", "printf '\\0\\0\\0\\0' >state/tree",
            "printf '/a\\0b' >state/tree", "printf '/\\377\\376' >state/tree", "mkdir state/tree",
            "head -c 2000000 /dev/zero >state/tree", "ln -s nowhere state/tree", "rm -f state/tree",
        ])
    func `what names no tree is written again, and stops nothing`(damage: String) async throws {
        try await TemporaryDirectory.with { directory in
            try await check("sh", ["-ec", "mkdir tree state; \(damage)"], directory: directory)
            let tree = try Tree("\(directory)/tree")
            #expect(try !StateOwner.check("\(directory)/state", for: tree))
            try StateOwner.claim("\(directory)/state", for: tree)
            #expect(contents(ofFile: "\(directory)/state/tree") == "\(directory)/tree\n")
            #expect(try StateOwner.check("\(directory)/state", for: tree))
        }
    }

    @Test func `another tree's state stays another tree's`() async throws {
        try await TemporaryDirectory.with { directory in
            try await check("sh", ["-ec", "mkdir tree other state; echo $PWD/other >state/tree"], directory: directory)
            #expect(throws: StateOwner.Failure.self) {
                try StateOwner.claim("\(directory)/state", for: Tree("\(directory)/tree"))
            }
        }
    }
}
