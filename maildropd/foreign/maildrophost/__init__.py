# SPDX-License-Identifier: Apache-2.0
"""MaildropHost 2.3: its configuration, its spool, its settings in our words."""
