# The image of a node: one static binary and nothing else. `make image` builds the binary, and gives its directory as
# the context.
FROM scratch
COPY anode /anode
# What the replicas promised. A node that loses it is told by the others, and recovers.
VOLUME /var/lib/anode
# Not ready is not ill: nothing should restart a container for it, since a restart costs the node its memory.
HEALTHCHECK --interval=2s --timeout=5s --start-period=10s --retries=5 CMD ["/anode", "health"]
ENTRYPOINT ["/anode"]
CMD ["serve", "--config", "/etc/anode/anode.yaml"]
