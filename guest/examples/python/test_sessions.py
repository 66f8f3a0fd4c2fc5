"""Tests of what needs no host: reading a registry and changing it. Run with

    python3 -B guest/examples/python/test_sessions.py
"""

import json
import unittest

from sessions import Corrupted, Entry, Registry

ENTRY = '{"sid":"%s","pid":%d,"sock":"","version":"","created_at":"2026-01-01T00:00:00Z"}'
NEW = Entry("neu", 9, "", "1", "2026-01-01T00:00:00Z")


def read(text: str) -> Registry:
    return Registry(text.encode())


class Reading(unittest.TestCase):
    def test_no_file_is_an_empty_pool(self):
        self.assertEqual(Registry(None).entries, [])

    def test_escapes_and_unknown_fields_of_any_depth_are_read(self):
        deep = "[" * 100_000 + "]" * 100_000
        text = ENTRY.replace('"sid":"%s"', '"si\\u0064":"\\ud83d\\ude00", "x":' + deep) % 7
        [entry] = read('{"sid":0,"sessions":[%s]}' % text).entries
        self.assertEqual((entry.sid, entry.pid), ("😀", 7))

    def test_what_is_no_registry_is_refused_where_it_stops_making_sense(self):
        good = '{"sessions":[\n%s]}' % (ENTRY % ("a", 7))
        for change, line in (
            (("", ""), None),
            (("\n", "\n\n\n,"), 4),
            ((":7", ':"7"'), 2),
            ((":7", ":-7"), 2),
            ((":7", ":4294967296"), 2),
            ((":7", ":7.0"), 2),
            ((":7", ':7,"pid":7'), 2),
            (('"sock"', '"sick"'), 2),
            (('"a"', '"\\ud800"'), 2),
            (('"a"', "null"), 2),
            (("]}", "]} x"), 2),
            (('"sessions"', '"other"'), 2),
        ):
            text = good.replace(*change)
            if line is None:
                self.assertEqual(len(read(text).entries), 1)
                continue
            with self.assertRaises(Corrupted, msg=text) as raised:
                read(text)
            self.assertEqual(raised.exception.line, line, text)

    def test_bytes_that_are_no_text_are_refused(self):
        with self.assertRaises(Corrupted) as raised:
            Registry(b'{\n"\xc3\xa4\xff":1}')
        self.assertEqual((raised.exception.line, raised.exception.column), (2, 4))


class Changing(unittest.TestCase):
    def test_every_other_byte_stays(self):
        a = '{"n": 1e400, "n":[1.0], ' + (ENTRY % ("\\u00e4", 7))[1:]
        b, c = ENTRY % ("b", 8), ENTRY % ("c", 9)
        registry = '\n{ "x":1, "x":2, "sessions" : [ %s ]  ,"y":-0.0 }\n'
        before = read(registry % f"{a}\n , {b},{c}")
        self.assertEqual(before.changed().decode(), registry % f"{a}\n , {b},{c}")
        self.assertEqual(before.changed(drop={1}).decode(), registry % f"{a},{c}")
        self.assertEqual(before.changed(drop={0, 2}).decode(), registry % b)
        empty = registry.replace("[ %s ]", "[]")
        self.assertEqual(before.changed(drop={0, 1, 2}).decode(), empty)

    def test_a_new_entry_is_the_last_and_indented_like_the_one_before_it(self):
        text = '{"sessions":[\n  %s,\n  %s\n]}\n'
        one = read(text.replace(",\n  %s", "") % (ENTRY % ("a", 7)))
        changed = one.changed(add=NEW).decode()
        self.assertEqual(changed.count("\n  {"), 2)
        self.assertEqual(json.loads(changed)["sessions"][1], NEW.fields())
        alone = json.loads(Registry(None).changed(add=NEW))
        self.assertEqual(alone, {"sessions": [NEW.fields()]})


if __name__ == "__main__":
    unittest.main()
