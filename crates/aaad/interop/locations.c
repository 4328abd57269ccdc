/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* An AAA server made of freeDiameter: AAR and STR answered from a map in memory, as plainly as it can be done. It is the
 * other side of speed comparisons and of maard's interop tests. It keeps nothing on disk and knows no repeated request:
 * the second of two equal AARs is told the asker itself, where aaad gives the first answer again (RFC 6733 section 3).
 *
 * freeDiameter's dispatch threads call in at the same time; one lock guards the map, held for one lookup and one swap.
 */
#include <freeDiameter/extension.h>

#define BUCKETS (1u << 20)
#define ADDRESS 18 /* an AVP of type Address: family 2, then IPv6 */

struct mn {
	struct mn *next;
	uint64_t time;
	uint8_t maar[ADDRESS];
	size_t length;
	uint8_t id[];
};

static struct mn *buckets[BUCKETS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct dict_object *user_name, *agent_info, *agent, *timestamp, *request_type, *application;

/* MIP-Timestamp in the form of RFC 5213: seconds since 1970 in 48 bits, 1/65536 s in 16. */
static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec << 16 | (uint64_t)t.tv_nsec * 65536 / 1000000000;
}

static struct mn *find(const uint8_t *id, size_t length)
{
	uint64_t hash = 1469598103934665603u; /* FNV-1a */
	for (size_t at = 0; at < length; at++)
		hash = (hash ^ id[at]) * 1099511628211u;
	struct mn **place = &buckets[(hash >> 20) % BUCKETS];
	for (; *place; place = &(*place)->next)
		if ((*place)->length == length && !memcmp((*place)->id, id, length))
			return *place;
	struct mn *mn = calloc(1, sizeof *mn + length);
	if (!mn)
		abort();
	mn->maar[1] = 2;
	mn->length = length;
	memcpy(mn->id, id, length);
	return *place = mn;
}

static int add(struct avp *parent, struct msg *message, struct dict_object *kind, union avp_value value)
{
	struct avp *avp;
	CHECK_FCT(fd_msg_avp_new(kind, 0, &avp));
	CHECK_FCT(fd_msg_avp_setvalue(avp, &value));
	return parent ? fd_msg_avp_add(parent, MSG_BRW_LAST_CHILD, avp) : fd_msg_avp_add(message, MSG_BRW_LAST_CHILD, avp);
}

static int add_agent(struct msg *answer, uint8_t *maar)
{
	struct avp *group;
	union avp_value value = {.os = {.data = maar, .len = ADDRESS}};
	CHECK_FCT(fd_msg_avp_new(agent_info, 0, &group));
	CHECK_FCT(add(group, NULL, agent, value));
	return fd_msg_avp_add(answer, MSG_BRW_LAST_CHILD, group);
}

/* The asking MAAR's address in MIP6-Agent-Info. */
static int asker(struct msg *request, uint8_t maar[ADDRESS])
{
	struct avp *group, *inner;
	struct avp_hdr *header;
	CHECK_FCT(fd_msg_search_avp(request, agent_info, &group));
	if (!group)
		return ENOENT;
	CHECK_FCT(fd_msg_browse(group, MSG_BRW_FIRST_CHILD, &inner, NULL));
	if (!inner)
		return ENOENT;
	CHECK_FCT(fd_msg_avp_hdr(inner, &header));
	if (header->avp_code != 334 || header->avp_value->os.len != ADDRESS)
		return ENOENT;
	memcpy(maar, header->avp_value->os.data, ADDRESS);
	return 0;
}

static int user(struct msg *request, struct avp_hdr **header)
{
	struct avp *avp;
	CHECK_FCT(fd_msg_search_avp(request, user_name, &avp));
	return avp ? fd_msg_avp_hdr(avp, header) : ENOENT;
}

static int on_aar(struct msg **message, struct avp *avp, struct session *session, void *data, enum disp_action *act)
{
	(void)avp, (void)session, (void)data;
	struct avp_hdr *name = NULL;
	uint8_t maar[ADDRESS], previous[ADDRESS];
	int known = user(*message, &name) == 0 && asker(*message, maar) == 0;
	uint64_t time = 0;
	if (known) {
		pthread_mutex_lock(&lock);
		struct mn *mn = find(name->avp_value->os.data, name->avp_value->os.len);
		memcpy(previous, mn->maar, ADDRESS);
		memcpy(mn->maar, maar, ADDRESS);
		time = now();
		time = mn->time = time > mn->time ? time : mn->time + 1;
		pthread_mutex_unlock(&lock);
	}
	CHECK_FCT(fd_msg_new_answer_from_req(fd_g_config->cnf_dict, message, 0));
	CHECK_FCT(fd_msg_rescode_set(*message, known ? "DIAMETER_SUCCESS" : "DIAMETER_MISSING_AVP", NULL, NULL, 1));
	CHECK_FCT(add(NULL, *message, application, (union avp_value){.u32 = 1}));
	CHECK_FCT(add(NULL, *message, request_type, (union avp_value){.u32 = 2}));
	if (known) {
		uint64_t wire = htobe64(time);
		CHECK_FCT(add_agent(*message, previous));
		CHECK_FCT(add(NULL, *message, timestamp, (union avp_value){.os = {.data = (uint8_t *)&wire, .len = 8}}));
	}
	CHECK_FCT(fd_msg_send(message, NULL, NULL));
	*act = DISP_ACT_CONT;
	return 0;
}

static int on_str(struct msg **message, struct avp *avp, struct session *session, void *data, enum disp_action *act)
{
	(void)avp, (void)session, (void)data;
	struct avp_hdr *name = NULL;
	if (user(*message, &name) == 0) {
		pthread_mutex_lock(&lock);
		struct mn *mn = find(name->avp_value->os.data, name->avp_value->os.len);
		memset(mn->maar + 2, 0, ADDRESS - 2);
		pthread_mutex_unlock(&lock);
	}
	CHECK_FCT(fd_msg_new_answer_from_req(fd_g_config->cnf_dict, message, 0));
	CHECK_FCT(fd_msg_rescode_set(*message, "DIAMETER_SUCCESS", NULL, NULL, 1));
	CHECK_FCT(fd_msg_send(message, NULL, NULL));
	*act = DISP_ACT_CONT;
	return 0;
}

static int search(enum dict_object_type type, int by, const void *what, struct dict_object **object)
{
	return fd_dict_search(fd_g_config->cnf_dict, type, by, what, object, ENOENT);
}

static int start(char *unused)
{
	(void)unused;
	uint32_t nasreq = 1;
	struct disp_when when = {0};
	CHECK_FCT(search(DICT_AVP, AVP_BY_NAME, "User-Name", &user_name));
	CHECK_FCT(search(DICT_AVP, AVP_BY_NAME, "MIP6-Agent-Info", &agent_info));
	CHECK_FCT(search(DICT_AVP, AVP_BY_NAME, "MIP-Home-Agent-Address", &agent));
	CHECK_FCT(search(DICT_AVP, AVP_BY_NAME, "MIP-Timestamp", &timestamp));
	CHECK_FCT(search(DICT_AVP, AVP_BY_NAME, "Auth-Request-Type", &request_type));
	CHECK_FCT(search(DICT_AVP, AVP_BY_NAME, "Auth-Application-Id", &application));
	CHECK_FCT(search(DICT_APPLICATION, APPLICATION_BY_ID, &nasreq, &when.app));
	CHECK_FCT(search(DICT_COMMAND, CMD_BY_NAME, "AA-Request", &when.command));
	CHECK_FCT(fd_disp_register(on_aar, DISP_HOW_CC, &when, NULL, NULL));
	CHECK_FCT(search(DICT_COMMAND, CMD_BY_NAME, "Session-Termination-Request", &when.command));
	CHECK_FCT(fd_disp_register(on_str, DISP_HOW_CC, &when, NULL, NULL));
	return fd_disp_app_support(when.app, NULL, 1, 0);
}

EXTENSION_ENTRY("locations", start);
