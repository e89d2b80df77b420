# SPDX-License-Identifier: Apache-2.0
"""MaildropHost for Zope 5: the product, its objects and their page in the ZMI."""
