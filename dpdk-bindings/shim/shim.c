/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* One line each: a symbol for what DPDK has only in its headers. */
#include "shim.h"

int shim_errno(void)
{
	return rte_errno;
}

uint64_t shim_rdtsc(void)
{
	return rte_rdtsc();
}

uint32_t shim_lcore_id(void)
{
	return rte_lcore_id();
}

uint16_t shim_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t room)
{
	return rte_eth_rx_burst(port, queue, mbufs, room);
}

uint16_t shim_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count)
{
	return rte_eth_tx_burst(port, queue, mbufs, count);
}

struct rte_mbuf *shim_pktmbuf_alloc(struct rte_mempool *pool)
{
	return rte_pktmbuf_alloc(pool);
}

void shim_pktmbuf_free(struct rte_mbuf *mbuf)
{
	rte_pktmbuf_free(mbuf);
}

uint32_t shim_mempool_size(const struct rte_mempool *pool)
{
	return pool->size;
}

/* struct rte_eth_link: bit fields up to 24.07, a union from 24.11 on. */
int shim_link_up(uint16_t port, int *up)
{
	struct rte_eth_link link = { 0 };
	int rc = rte_eth_link_get_nowait(port, &link);

	*up = link.link_status == RTE_ETH_LINK_UP;
	return rc;
}
