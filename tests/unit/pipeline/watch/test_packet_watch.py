"""Drops that no link is configured to cause."""

from continuum.model.fidelity import LinkTraffic, NodeStrain
from continuum.model.node import Strain
from continuum.pipeline.watch.packet_watch import PacketWatch


def test_losses_and_full_queues_of_links_are_as_configured() -> None:
    watch = PacketWatch()
    watch.note_engine(0.0, 3, (LinkTraffic("edge", "cloud", 100, 5, 7),))
    watch.note_engine(1.0, 3, (LinkTraffic("edge", "cloud", 300, 25, 17), LinkTraffic("cloud", "edge", 9)))
    assert watch.disturbances == []
    assert watch.links() == (LinkTraffic("edge", "cloud", 200, 20, 10), LinkTraffic("cloud", "edge", 9))


def test_refused_packets_are_counted_from_the_start_of_the_load() -> None:
    watch = PacketWatch()
    watch.note_engine(0.0, 3, ())
    watch.note_engine(1.0, 4, ())
    watch.note_engine(2.0, 1003, ())
    (found,) = watch.disturbances
    assert (found.kind, found.at_s) == ("packets_dropped", 1.0)
    assert found.what == "1,000 packets were refused by the interface of the receiving node"
    assert watch.undeliverable == 1000


def test_unread_packets_name_their_nodes_and_the_first_second() -> None:
    watch = PacketWatch()
    watch.note_nodes(0.0, {"edge0": Strain(1.0, 0.5, 10), "edge1": Strain(1.0, None, 0)})
    watch.note_nodes(1.0, {"edge0": Strain(2.0, 0.75, 12), "edge1": Strain(2.0, None, 0)})
    watch.note_nodes(2.0, {"edge0": Strain(3.0, 1.0, 12), "edge1": Strain(2.0, None, 5)})
    (found,) = watch.disturbances
    assert found.at_s == 1.0
    assert found.what == "7 packets from edge0, edge1 were dropped before the network engine could read them"
    assert watch.nodes() == (NodeStrain("edge0", 0.5, 2), NodeStrain("edge1", None, 5))


def test_a_node_that_is_gone_is_unknown() -> None:
    watch = PacketWatch()
    watch.note_nodes(0.0, {"edge0": Strain(1.0, 0.5, 10)})
    watch.note_nodes(1.0, {"edge0": Strain()})
    assert watch.disturbances == []
    assert watch.nodes() == (NodeStrain("edge0"),)
