/// Does the same for many things, a few at a time, and gives the results in the things' order.
package func sideBySide<Item: Sendable, Result: Sendable>(
    _ items: [Item], most: Int = 16, _ body: @escaping @Sendable (Item) async -> Result
) async -> [Result] {
    var results: [Result?] = Array(repeating: nil, count: items.count)
    await withTaskGroup(of: (Int, Result).self) { group in
        var next = 0
        func add() {
            guard next < items.count else { return }
            let (index, item) = (next, items[next])
            next += 1
            group.addTask { (index, await body(item)) }
        }
        for _ in 0..<max(most, 1) { add() }
        for await (index, result) in group {
            results[index] = result
            add()
        }
    }
    return results.compactMap(\.self)
}
