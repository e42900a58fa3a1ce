// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* Heads of IPv4 packets that a raw socket sees, through a ring buffer; the socket itself gets nothing. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct event {
	__be32 source;
	__be32 destination;
	__be16 ports[2];
	__u32 protocol;
	__u32 packet_type;
	__u32 length;
	__u32 interface;
};

const struct event *rb_record = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} rb SEC(".maps");

SEC("socket")
int socket_handler(struct __sk_buff *skb)
{
	struct event *event;
	__u16 kind = 0, fragment = 0;
	__u8 version_length = 0, protocol = 0;

	bpf_skb_load_bytes(skb, offsetof(struct ethhdr, h_proto), &kind, sizeof(kind));
	if (kind != bpf_htons(ETH_P_IP))
		return 0;
	bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct iphdr, frag_off), &fragment, sizeof(fragment));
	if (fragment & bpf_htons(0x3fff))
		return 0;
	event = bpf_ringbuf_reserve(&rb, sizeof(*event), 0);
	if (!event)
		return 0;
	bpf_skb_load_bytes(skb, ETH_HLEN, &version_length, sizeof(version_length));
	bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct iphdr, protocol), &protocol, sizeof(protocol));
	bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct iphdr, saddr), &event->source, 8);
	event->ports[0] = event->ports[1] = 0;
	bpf_skb_load_bytes(skb, ETH_HLEN + (version_length & 0xf) * 4, event->ports, sizeof(event->ports));
	event->protocol = protocol;
	event->packet_type = skb->pkt_type;
	event->length = skb->len;
	event->interface = skb->ifindex;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
